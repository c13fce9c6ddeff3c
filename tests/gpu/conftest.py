"""Tests here need a CUDA or ROCm device; without one they are not collected."""

import torch

collect_ignore_glob = [] if torch.cuda.is_available() else ["test_*.py"]
