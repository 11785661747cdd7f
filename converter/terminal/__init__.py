"""What the command line shows: progress, tables, errors, and TensorFlow's own messages kept quiet.

In come reports and stages, out goes text. What a command does is elsewhere: nothing here decides anything.
"""
