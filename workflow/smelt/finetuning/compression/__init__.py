"""Compression: a fine-tuned model in, a small student of another architecture out, in stages (XtremeDistil)."""
