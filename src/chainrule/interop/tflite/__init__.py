"""Import of TensorFlow Lite files (.tflite) with floating-point numbers.

The graph is translated to the layers of Keras that it was converted from, which `interop.keras` translates further.
"""
