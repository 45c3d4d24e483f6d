"""Separation without torch: a network as an ONNX graph, and what is around it in NumPy.

What is here gives what `separation` gives, to rounding: tests hold the two together.
"""
