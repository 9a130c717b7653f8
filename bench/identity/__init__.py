"""Does automatic linking ever take one person for another, and how many of the right records does it find?"""
