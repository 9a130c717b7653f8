"""Whose record is it: the reference person, the grading, the cross-reference table and the wrong-subject guard."""
