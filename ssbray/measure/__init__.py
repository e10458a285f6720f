"""What a microscopist asks of a phase map: lengths, thicknesses, sizes."""
