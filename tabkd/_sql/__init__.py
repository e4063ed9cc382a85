"""An exported student as one SQL statement: its ONNX graph, computed on expressions of columns instead of numbers."""
