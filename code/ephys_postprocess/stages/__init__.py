"""What is computed, stage by stage: arrays and records in, arrays and records out."""
