"""What came from what: sample, location, micrograph, segmentation, graph and finite-element result, by content."""
