"""One micrograph to numbers with intervals: segmentation, measurements, conductivity, and the doubt in each."""
