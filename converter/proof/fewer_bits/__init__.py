"""Files that compute with fewer bits than their source: they are not equal to it, and what is judged is the signal that
they keep. One measure, for what a conversion writes and for what was there before."""
