"""The campaign's workers, learner and annealers on Ray. No science here, and no Ray anywhere below.

Nothing is imported here: Ray reads its environment when it is imported, and `session.connect`, or
`session.prepare`, sets that first.
"""
