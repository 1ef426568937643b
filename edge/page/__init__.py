"""Elements and drawings for pages that a browser opens: text and numbers go in, HTML and SVG come out."""
