"""Whether a study can run here, before it has cost anything: `smelt preflight`."""
