"""Import of TensorFlow Lite files (.tflite), in floats and quantized.

Operators are translated by the readers of ONNX operators; see `interop.onnx.node_builder`.
"""
