"""What production runs: decode an upload, take the images out of a PDF, predict with ONNX Runtime."""
