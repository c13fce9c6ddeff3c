"""What the tests of the runtime share."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
