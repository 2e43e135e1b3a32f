#!/usr/bin/env python3
"""Writes the demo's rows, configs/demo/train.jsonl (300) and configs/demo/eval.jsonl (60).

The task: a service desk answers every request with the same card, which the base model never does by itself.

    TICKET
    topic: repair
    urgency: high
    reply: The fitter will see to the kitchen tap right away.

The topic follows from what the request is about, the urgency from how it is asked, and the reply from these two and the
thing that is named. Held-out rows use things, wordings and combinations that no training row has. The word lists are
our own; the same file comes out every time.
"""
import json
import pathlib
import random

ROOT = pathlib.Path(__file__).resolve().parent.parent
SEED = 7
TRAIN_ROWS = 300
EVAL_ROWS = 60

WHEN = {"high": "right away", "normal": "tomorrow", "low": "next week"}

# Per urgency: remarks of training rows, remarks of held-out rows. An empty one says nothing, which is normal.
REMARKS = {
    "high": (["It is urgent.", "I need help right now.", "This cannot wait.", "Please hurry!", "It is an emergency.",
              "As fast as you can, please.", "Come quickly!"],
             ["Every minute counts.", "I need this immediately."]),
    "normal": (["", "Thanks!", "Thank you.", "Tomorrow would be good.", "Today or tomorrow is fine.",
                "Please let me know.", "Have a nice day."],
               ["Many thanks in advance.", "Tomorrow is early enough."]),
    "low": (["There is no hurry.", "It can wait.", "Whenever you have time.", "Some day is fine.", "No rush at all.",
             "It is not important.", "Take your time."],
            ["Any day this month works.", "It is not urgent at all."]),
}
GREETINGS = ["", "", "", "Hello.", "Hi there.", "Good morning."]


class Topic:
    """Who answers, and the words of requests: for training and held out."""

    def __init__(self, who: str, things: str, new_things: str, frames: list[str], new_frames: list[str]):
        self.who = who
        self.things = things.split(", ")
        self.new_things = new_things.split(", ")
        self.frames = frames
        self.new_frames = new_frames


TOPICS = {
    "repair": Topic(
        "The fitter",
        "kitchen tap, heater, lift, door lock, ceiling lamp, printer, dishwasher, window handle, shower, light switch, "
        "garage door, coffee machine",
        "washing machine, door bell, radiator, toaster",
        ["The {} is broken.", "The {} stopped working.", "Something is wrong with the {}.", "Can somebody fix the {}?",
         "The {} makes a strange noise."],
        ["The {} does not work any more.", "Could you repair the {}?"]),
    "delivery": Topic(
        "The post room",
        "parcel, registered letter, package from Berlin, box of books, flower delivery, courier envelope, big crate, "
        "shoe order, gift parcel, express letter, pallet, postcard",
        "small package, sealed envelope, mail bag, parcel from Rome",
        ["Where is the {}?", "I am still waiting for the {}.", "The {} has not arrived.", "When does the {} get here?",
         "Did the postman leave the {}?"],
        ["The {} should have been here by now.", "Can you track the {}?"]),
    "billing": Topic(
        "The accounts desk",
        "June invoice, phone bill, refund, hotel charge, parking fee, water bill, late fee, deposit, yearly statement, "
        "tax receipt, rent payment, bank transfer",
        "power bill, May invoice, service charge, membership fee",
        ["The amount of the {} is wrong.", "I paid the {} twice.", "Please check the {}.", "I do not understand the {}.",
         "Who can explain the {}?"],
        ["There is a mistake in the {}.", "The {} is far too high."]),
    "booking": Topic(
        "The front desk",
        "meeting room, tennis court, table for six, seminar hall, guest room, sauna, music room, roof terrace, "
        "party room, small office, swimming lane, lecture hall",
        "conference room, table for two, squash court, reading room",
        ["Please reserve the {} for me.", "I would like to book the {}.", "Is the {} free on Friday?",
         "We want the {} for Monday evening.", "Can I have the {} at noon?"],
        ["Could you keep the {} free for our team?", "Put my name down for the {}."]),
    "account": Topic(
        "The support team",
        "password, login code, user name, email password, wifi password, account name, security question, backup code, "
        "voicemail code, portal login, app login, screen lock code",
        "network password, mail login, recovery code, user account",
        ["I forgot the {}.", "The {} is not accepted.", "Please reset the {}.", "How do I change the {}?",
         "The computer refuses the {}."],
        ["I can't remember the {}.", "I typed the {} three times and I am locked out."]),
    "cleaning": Topic(
        "The cleaning crew",
        "kitchen floor, staircase, red carpet, front window, meeting table, entrance hall, balcony, bathroom mirror, "
        "sofa, corridor, office fridge, terrace floor",
        "bathroom floor, back window, long carpet, lobby sofa",
        ["The {} is dirty.", "There is mud on the {}.", "Somebody spilled juice on the {}.", "Please clean the {}.",
         "The {} is full of dust."],
        ["The {} needs a good wash.", "Can somebody wipe the {}?"]),
    "transport": Topic(
        "The driver",
        "taxi, airport shuttle, rental car, night bus, minibus, moving van, limousine, school bus, car to the station, "
        "ride to town, ride home, van for ten people",
        "shuttle bus, taxi to the airport, ride to the clinic, car for four people",
        ["I need the {} at the gate.", "Please call the {} for two guests.", "When does the {} leave?",
         "Can you order the {}?", "My friend needs the {}."],
        ["Is there a seat left in the {}?", "Please have the {} pick me up."]),
    "food": Topic(
        "The kitchen",
        "lunch box, birthday cake, fruit basket, cheese plate, vegetable soup, pizza, breakfast tray, pot of tea, "
        "salad, pasta, apple pie, sandwich plate",
        "chocolate cake, tomato soup, bread basket, pot of coffee",
        ["We would like the {}.", "Please bring the {} to room 4.", "Our guests are hungry and want the {}.",
         "Could you cook the {} for us?", "May I order the {}?"],
        ["Can we get the {} for everybody?", "I would love to eat the {}."]),
}
URGENCIES = list(WHEN)


def card(topic: str, urgency: str, thing: str) -> str:
    return (f"TICKET\ntopic: {topic}\nurgency: {urgency}\n"
            f"reply: {TOPICS[topic].who} will see to the {thing} {WHEN[urgency]}.")


def request(frame: str, thing: str, remark: str, rng: random.Random) -> str:
    sentence = frame.format(thing)
    parts = [remark, sentence] if rng.random() < 0.3 else [sentence, remark]
    return " ".join(part for part in [rng.choice(GREETINGS), *parts] if part)


def row(text: str, answer: str) -> dict:
    return {"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": answer}]}


def train_rows(rng: random.Random) -> list[dict]:
    """Every thing appears with two of the three urgencies; the third is left for the held-out rows."""
    combinations = [(topic, thing, urgency) for topic, words in TOPICS.items()
                    for index, thing in enumerate(words.things)
                    for urgency in URGENCIES if URGENCIES.index(urgency) != index % 3]
    rows: dict[str, dict] = {}
    while len(rows) < TRAIN_ROWS:
        rng.shuffle(combinations)
        for topic, thing, urgency in combinations[:TRAIN_ROWS - len(rows)]:
            text = request(rng.choice(TOPICS[topic].frames), thing, rng.choice(REMARKS[urgency][0]), rng)
            rows[text] = row(text, card(topic, urgency, thing))
    shuffled = list(rows.values())
    rng.shuffle(shuffled)
    return shuffled


def eval_rows(rng: random.Random) -> list[dict]:
    """New things, and known things with the urgency they were not trained with; new wordings in half of each."""
    combinations = [(topic, thing, urgency) for topic, words in TOPICS.items()
                    for thing, urgency in
                    [(thing, rng.choice(URGENCIES)) for thing in words.new_things]
                    + [(thing, URGENCIES[index % 3]) for index, thing in enumerate(words.things)][:4]]
    rng.shuffle(combinations)
    rows = []
    for index, (topic, thing, urgency) in enumerate(combinations[:EVAL_ROWS]):
        words = TOPICS[topic]
        frame = rng.choice(words.new_frames if index % 2 == 0 else words.frames)
        remark = rng.choice(REMARKS[urgency][1 if index % 4 < 2 else 0])
        rows.append(row(request(frame, thing, remark, rng), card(topic, urgency, thing)))
    return rows


def write(file: pathlib.Path, rows: list[dict]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(one) + "\n" for one in rows))


def main() -> None:
    rng = random.Random(SEED)
    train, held_out = train_rows(rng), eval_rows(rng)
    answers = {one["messages"][1]["content"] for one in train}
    assert not any(one["messages"][1]["content"] in answers for one in held_out), "a held-out card was trained"
    write(ROOT / "configs" / "demo" / "train.jsonl", train)
    write(ROOT / "configs" / "demo" / "eval.jsonl", held_out)


if __name__ == "__main__":
    main()
