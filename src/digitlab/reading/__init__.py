"""Reading pictures with a trained model, without PyTorch: the result, the model file, the reader.

Used by the command line, evaluation and serving; see `digitlab.reading.recogniser.Recogniser`.
"""
