"""What a call of the capsule does: postprocess recordings, verify, audit, report, export to phy, make the example."""
