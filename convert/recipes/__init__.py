"""Networks that edgerun knows by name, each with its description; of the demonstration model also the training."""
