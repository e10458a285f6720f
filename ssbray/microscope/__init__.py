"""Micrographs: read from the files of microscopes, or rendered from phase maps; frames brought into register."""
