"""What each figure is called, how to read it, and what it shows to who cannot see it."""

from __future__ import annotations

#: name -> heading, caption, alternative text
CAPTIONS = {
    "micrographs": (
        "What the microscope shows, and what the segmenter makes of it",
        "Three images of samples that it had not learnt from: the one whose conductivity came out nearest to the "
        "truth, the middle one, and the farthest. Electrolyte above, cathode below; below the maps, the conductivity "
        "that finite elements find on each.",
        "Rows of four panels: micrograph, true phases, phases found, and the pixels that were found wrong."),
    "searches": (
        "Two searches, one of which overlooks the layer",
        "Left, every design (points) and the best so far (lines), as each search sees them: who overlooks the layer "
        "believes in resistances that cannot be had. Right, what the two winners and the reference are by all laws.",
        "Best resistance so far against evaluation number for two campaigns, and the resistance of three designs."),
    "resistance": (
        "Where the resistance sits",
        "The same three designs, by phase and by thin interface (hatched): on the left in Ω cm², so that lengths can "
        "be compared between designs; on the right as shares of each design's own resistance.",
        "Stacked bars of the resistance of three designs, in ohm square centimetres and in per cent."),
    "priors": (
        "If the process laws are other ones",
        "Each bar is one law, moved from its low to its high end with all others as they are; a cross means that with "
        "this value another of the three designs would be the best. The search was not run again: the designs are "
        "those found by the laws as they are.",
        "Tornado diagram of the gain in conductivity against each varied process law."),
    "detection": (
        "Is the overlooked layer noticed?",
        "Left, at every strictness of the alarm: how many specimens with the layer are found, against how many without "
        "it raise a false alarm; a curve in the upper left corner is perfect, and the cross is the alarm as it was "
        "set. Right, the area under each curve.",
        "Receiver operating characteristics of three anomaly scores, and their areas with intervals."),
    "parity": (
        "Predicted against computed",
        "A point on the line is predicted exactly; bars are 90 % intervals, and nine in ten should cross it. The right "
        "panel shows the same as a ratio, where the bars can be seen.",
        "Predicted against computed conductivity with 90 % intervals, and their ratio."),
    "calibration": (
        "Do the intervals hold what they say?",
        "Left, the share of truths within intervals of four widths: points within their bands are what exact "
        "intervals could give by chance. Right, the same question for the segmenter's probabilities.",
        "Coverage of central intervals against their nominal level with binomial bands, and calibration errors."),
}
