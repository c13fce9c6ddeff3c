"""From patterns to Python modules: text of expressions, kernels, the runtime, the whole file."""
