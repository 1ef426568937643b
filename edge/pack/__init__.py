"""The model pack: its manifest, its files, its models' safety, and where packs are installed."""
