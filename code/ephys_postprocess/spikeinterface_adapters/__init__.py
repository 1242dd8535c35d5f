"""The one folder that knows SpikeInterface: its objects in, our records out, and back."""
