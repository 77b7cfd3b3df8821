from convsmith.weights.imagenet import labels, synsets


def test_there_are_1000_classes_in_the_order_of_published_weights() -> None:
    assert len(synsets()) == len(labels()) == 1000
    assert labels()[0] == "tench"
    assert labels()[281] == "tabby"
    assert synsets()[281].wordnet_id == "n02123045"
    assert labels()[999] == "toilet tissue"


def test_ids_ascend_and_labels_differ() -> None:
    ids = [synset.wordnet_id for synset in synsets()]
    assert ids == sorted(set(ids))
    assert len(set(labels())) == 1000


def test_two_classes_of_one_name_are_told_apart() -> None:
    assert labels()[134] == "crane (n02012849)"
    assert labels()[517] == "crane (n03126707)"
