"""Triton kernels with holes, filled by `maskc.codegen.splice`."""
