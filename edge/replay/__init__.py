"""A report -> the same question asked again -> whether the answer is the same: `edgerun replay`."""
