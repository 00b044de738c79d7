"""Formats in which tasks are published, one file each: its keys in a task file, and its reader."""
