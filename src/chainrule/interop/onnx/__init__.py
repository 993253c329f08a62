"""ONNX: import and export of networks."""
