"""What was written for PaddlePaddle: its parameter files, and lessons for `paddle.fluid`."""
