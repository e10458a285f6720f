"""What the study is not: in short for the first screen, and in full."""

from __future__ import annotations

LIMITS = (
    ("The micrographs are virtual.",
     "They are drawn by a computer from process parameters, through a model of the microscope. No labelled image of "
     "this interface is public; on real images the segmenter will do worse, and nobody knows by how much."),
    ("The process laws are priors (informed assumptions).",
     "Laws from milling, firing and coating to a structure are literature values, trends and engineering "
     "assumptions, some known within a factor of ten. The best design is theirs: a proposal for an experiment. No "
     "interval on this page covers the laws or the constants of the materials."),
    ("A gain is relative to its baseline, and bounded by physics.",
     "Against a better baseline it is smaller; however good the process, the bulk of electrolyte and cathode stays."),
    ("Sections are two-dimensional.",
     "Current that would go around an obstacle in the third dimension cannot do so here."),
    ("'Li2Zr2O7' is not charge-neutral.",
     "So is the layer sometimes written, with ten positive charges and fourteen negative ones. La2Zr2O7, lanthanum "
     "zirconate, is what forms and what is meant here."),
    ("The layer is looked for in true maps.",
     "There it is a phase of its own, which the reference has never met. Whether a segmenter that was never taught the "
     "layer would show it at all is not asked."),
    ("One seed.",
     "Samples, nets and searches were drawn once. Another seed gives other numbers; the intervals do not hold that."),
    ("One potential, lithium ions alone.",
     "Where not said otherwise, ions obey Ohm's law and cross the cathode too; electrons, state of charge, "
     "concentration gradients and ageing are left out. Only the row of the varied potential has two potentials."),
)
