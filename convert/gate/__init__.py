"""The gate: whether a smaller model is no worse than its reference, in what a clinic cares about, where it will run.

Both models have examined the same labelled scans through the whole runtime. `judge` compares them in what a module of
this package asks for a task: classification, segmentation, detection, registration.
"""
