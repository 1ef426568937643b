"""What is true of a scan beside what was said of it: masks and boxes, and how well they meet. Plain arrays.

The workshop judges models with it, and a site the packs that it uses, so that both mean the same by a figure.
"""
