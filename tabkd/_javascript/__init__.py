"""An exported student as plain JavaScript: its ONNX graph as JSON, and an interpreter of the operators in it."""
