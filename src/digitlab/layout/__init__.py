"""Pages: where on a photographed or scanned page digits and marks stand, and in which rows.

Used by reading. The steps: the ink of the whole page is found (ink.py), the lines of tables, boxes
and ruled paper are taken out (bare.py, rules.py), what is left falls into pieces (pieces.py) that
stand in rows (rows.py), and in each row the way to read the pieces is chosen that the network finds
most likely (segments.py), with its marks (marks.py).
"""
