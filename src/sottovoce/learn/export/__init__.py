"""From torch to model files: ONNX graphs, checked against torch, and sealed with their card."""
