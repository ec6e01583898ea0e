"""Synonyms and hyponyms among the class names of the known sets.

These are VOC, COCO, MSRC, CamVid, Clothing Co-Parsing and FSS-1000. Case, spaces, underscores
and hyphens do not count in a name, see `model.data.folds`.
"""

# Other words for one and the same class.
SYNONYMS: tuple[tuple[str, ...], ...] = (
    ("aeroplane", "airplane"),
    ("donut", "doughnut"),
    ("motorbike", "motorcycle"),
    ("mouse", "computer_mouse"),
    ("remote", "remote_control"),
    ("sofa", "couch"),
    ("teddy bear", "teddy"),
    ("tvmonitor", "tv", "television"),
)

# A class → names of its kinds; also of a part of it, or of it together with something else.
HYPONYMS: dict[str, tuple[str, ...]] = {
    "aeroplane": ("airliner", "jet_aircraft", "warplane", "stealth_aircraft", "tiltrotor"),
    "backpack": ("bag", "pubg_lvl3backpack"),
    "bear": ("black_bear", "brown_bear", "giant_panda", "panda", "polar_bear", "sloth_bear"),
    "bed": ("cradle",),
    "bench": ("park_bench",),
    "bicycle": ("bicyclist",),
    "bird": (
        "african_grey", "albatross", "andean_condor", "bald_eagle", "bee_eater", "bittern",
        "black_grouse",
        "black_stork", "black_swan", "brambling", "bulbul_bird", "bushtit", "bustard",
        "chickadee_bird", "chicken", "condor", "coucal", "crane", "cuckoo", "curlew", "dowitcher",
        "drake", "eagle", "egret", "fish_eagle", "flamingo", "golden_plover", "goldfinch", "goose",
        "hawk", "hornbill", "housefinch", "hummingbird", "jacamar", "jay_bird", "kinguin",
        "lapwing", "lark", "little_blue_heron", "lorikeet", "macaw", "magpie_bird", "oriole",
        "osprey", "ostrich", "owl", "partridge", "peacock", "peregine_falcon", "pheasant",
        "prairie_chicken", "ptarmigan", "quail", "raven", "red_breasted_merganser", "redshank",
        "ruddy_turnstone", "ruffed_grouse", "seagull", "skua", "sparrow", "spoonbill", "stonechat",
        "stork", "sulphur_crested", "swan", "thrush", "toucan", "vulture", "wagtail",
        "wandering_albatross", "water_ouzel", "white_stork", "woodpecker",
    ),
    "boat": (
        "aircraft_carrier", "banana_boat", "canoe", "lifeboat", "raft", "schooner", "speedboat",
        "trimaran", "wooden_boat", "wreck", "yawl",
    ),
    "bottle": ("beer_bottle", "cocacola", "maotai_bottle", "pill_bottle", "wine_bottle"),
    "bowl": ("soup_bowl",),
    "bus": ("doublebus", "school_bus", "trolleybus"),
    "cake": ("chiffon_cake",),
    "car": (
        "ambulance", "car_mirror", "car_wheel", "convertible", "f1_racing", "ferrari911",
        "golfcart", "minicooper", "muscle_car", "pickup", "police_car", "rally_car",
        "recreational_vehicle", "sports_car", "taxi",
    ),
    "cat": (
        "angora", "egyptian_cat", "manx", "ocicat", "persian_cat", "siamese_cat", "tebby_cat",
        "tiger_cat",
    ),
    "cell phone": ("iphone",),
    "chair": ("esport_chair", "folding_chair", "ganeva_chair", "rocking_chair", "throne"),
    "clock": ("big_ben", "digital_clock", "wall_clock"),
    "cow": ("ox", "water_buffalo"),
    "cup": ("coffee_mug",),
    "dog": (
        "afghan_hound", "airedale", "american_staffordshire", "australian_terrier", "basset",
        "beagle", "bedlington_terrier", "blenheim_spaniel", "bloodhound", "bluetick",
        "border_terrier", "boston_bull", "briard", "cairn", "chihuahua", "dandie_dinmont",
        "english_foxhound", "english_setter", "flat-coated_retriever",
        "german_pointer", "giant_schnauzer", "golden_retriever", "groenendael", "lhasa_apso",
        "saluki", "shih-tzu", "staffordshire", "whippet", "yorkshire_terrier",
    ),
    "elephant": ("african_elephant", "indian_elephant"),
    "frisbee": ("flying_disc",),
    "handbag": ("bag", "purse"),
    "knife": ("cleaver", "kitchen_knife", "letter_opener"),
    "motorbike": ("bicyclist", "motor_scooter"),
    "oven": ("electronic_stove", "stove"),
    "person": (
        "astronaut", "baby", "baseball_player", "bicyclist", "body", "diver", "face", "hair",
        "pedestrian", "skin",
    ),
    "pottedplant": ("cactus_ball", "flower", "flowerpot"),
    "scissors": ("nail_scissor",),
    "sheep": ("bighorn_sheep",),
    "sink": ("wash_basin",),
    "sofa": ("studio_couch",),
    "spoon": ("ladle", "wooden_spoon"),
    "sports ball": (
        "baseball", "basketball", "cricketball", "croquet_ball", "golf_ball", "gym_ball",
        "pingpong_ball", "rugby_ball", "soccer_ball", "volleyball",
    ),
    "stop sign": ("sign",),
    "suitcase": ("briefcase",),
    "tie": ("bolotie", "bowtie", "windsor_tie"),
    "toilet": ("toilet_seat",),
    "toothbrush": ("electronic_toothbrush",),
    "traffic light": ("sign",),
    "train": ("bullet_train", "steam_locomotive", "streetcar"),
    "truck": (
        "fire_engine", "garbage_truck", "oiltank_car", "pickup", "tow_truck", "trailer_truck",
    ),
    "tvmonitor": ("crt_screen", "monitor"),
    "wine glass": ("goblet",),
}  # fmt: skip
