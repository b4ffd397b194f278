"""Wing 1: images and poses. The menu of data sets, codecs and evaluators."""

DATASETS: dict = {}
CODECS: dict = {}
EVALUATORS: dict = {}
