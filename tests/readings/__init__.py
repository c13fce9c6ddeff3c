"""Properties of the readings: points, rectangles, text, and of the passes over the expression."""
