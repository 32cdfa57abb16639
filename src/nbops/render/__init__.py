"""Floor 1: values to text, HTML and SVG, drawn once and shown by every face. No input, no output."""
