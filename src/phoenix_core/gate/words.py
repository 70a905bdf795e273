"""The 2,048 words of match words: eleven bits each, short, plain, and told apart by ear.

Their order is part of the format: a word's place is its number. Words of the trade itself (buy, sell, stop, yes, no)
are left out: four of them should not read like an instruction.
"""

from __future__ import annotations

from typing import Final

_TEXT: Final = """
absorb accent access acorn across active actor adjust admit adobe adult advice aerial afford agate agent agile aisle
alarm album alder alert algae alibi alley alloy almond almost alpha alpine always amber amend amount ample amuse
anchor angel angle animal ankle anklet annex annual answer anthem antler anvil apart appear apple apron arcade arch
arena argue armor aroma around arrive arrow artist ascend ash asleep aspen asset assist assume atlas atom attach
attend attic audio aunt author autumn avenue award awning axis axle azure baby bacon badge badger bagel baker bakery
ball ballad ballet balm bamboo banana band banded banjo bank banner barber bard barge bark barley barn barrel basil
basin basket bat bath baton batter bay bazaar beach beacon bead beagle beak beam bean beard beaver become bed beech
beef beet beetle before behind belief bell belong belt bench bend beret berry beside better beyond bike birch bird
bishop bison blade blazer bleach blend bloom blouse blue bluff board boat bobbin bolt bonnet bonus book boost boot
border borrow bottle bottom bought bounce bow bowl box boxer brain brake branch brand brass brave bread breath
breeze brick bride bridge brief bright brisk broad bronze brook broom broth brown brush bubble bucket buckle bud
budget buffet bugle build bulb bundle bunny buoy burrow bus bush butler butter button buzz bygone cabin cable cackle
cactus cadet cafe cage cake calf calm camel camera camp camper canal candle candy cane canoe canopy canter canvas
canyon cape caper car carbon card career caress cargo carol carp carpet carrot cart carve carver case cashew castle
casual cat catch cattle cave cedar celery cell cello cement census center chain chair chalk chance change chapel
chart cheek cheer cheese cherry chess chest chief child chin chip chisel choice choir choose chorus chosen chrome
cider cinder cinema circle circus citrus city clam clamp clan clap class classy claw clay clean clear clerk clever
client cliff climb clinic cloak clock closer closet cloth cloud clover clown club clue clutch coach coal coarse
coast coat cobalt cobble cobra cocoa cocoon code coffee coffer cohort coil coin cold collar collie colony color
column comb comet comic common condor cone confer convoy cook cookie cool copper coral cord cork corn corner corral
corset cosmic cosmos cotton couch cougar count county couple course court cousin cove cover cow coyote crab cradle
craft crane crater crayon cream create credit creek crest crew crisp crop crouch crow crowd crown cruise crunch
crust cube cuddle cup curb curfew curl curry cursor curve custom cycle cymbal dabble dad daily dainty dairy daisy
dance dancer dapper daring dash date dawn day dazzle deacon deal dean debate debut decade decent decide deck decor
deep deer defend define degree delta demand denim dental depart depend depot depth derby derive desert desire desk
detail detect device devote dial dialog diary dice diesel diet dill dimple dinghy dining dinner direct dish disk
ditch diver divide dock doctor dog doll dollar domain dome domino donkey donor door dose dot double dough dove dozen
draft dragon drama draw drawer dream dreamy dress drift drill drink drive driver drum dry duck duel duet dune dust
duty dwarf dynamo eager eagle ear early earth easel east easy echo edge edible editor eel effect effort egg eight
either elbow elder elect eleven elf elk elm ember emblem emerge empire employ empty enable enamel endure energy
engage engine enjoy enough ensure enter entire entry envoy enzyme equal era errand escape escort essay estate esteem
ether even evenly event evolve exact exam except excite excuse exempt exhale exile exotic expand expect expert
expire export expose extend extra eye eyelid fable fabric face factor fair fairy faith falcon fall family famous fan
fancy farm farmer fast father faucet favor feast feed feet fellow fence fennel fern ferry fever fiber fiddle field
fiesta fifth fifty fig figure file film filter final finch finger finish fir fire firm first fish fist five fix flag
flake flame flap flash flask flat flavor fleece fleet flight flint float flock flood floor flora flour flow flower
fluid flurry flute fly foam focus fog foil fold folder folk font food foot forest forge forget fork form formal
former fort forty forum fossil fought four fox frame freeze fresh friend frisky frog frolic front frost frozen
frugal fruit fudge fuel full fungus funnel fur future gable gadget galaxy gale gallon gallop game gamma garage
garden garlic garnet gas gate gather gauge gazebo gecko gem genie genius gentle ghost giant gift giggle ginger girl
glad glance glass glaze gleam glide globe glove glow glue goal goat gold golden golf gong goose gopher gorge gospel
gossip gown grace grade grain grand grape graph grass gravel gravy gray great green grid grill grin grip grocer
groove ground group grove grow growth guard guess guest guide guitar gulf gull gum gust gutter gym habit hail hair
half hall halo ham hamlet hammer hand handle hangar happen happy harbor hard hare harp hat hatch haven hawk hay
hazel head healer health heart hearth hearty heat hectic hedge heel height helium helmet help helper hen herald herb
herd hermit hero heron hidden hiding high hike hiker hill hinge hint hippo hive hobby hockey hollow holly home
honest honey hood hoof hook hoop hooray hope horn hornet horse host hotel hound hour house hover hub huddle hue
human humble humid humor hungry hunt hurdle hustle hut hybrid ice icicle icing icon idea idle igloo image import
inch income indeed index indigo indoor infant inform inlet inn input insect insert inside insist intact intend
invent invite inward iris iron island item itself ivory ivy jacket jade jaguar jam jar jargon jaunty jaw jazz jeans
jelly jersey jester jet jewel jigsaw jingle jockey jogger join joke jolly jovial joy judge juggle juice jumbo jump
jumper jungle junior juror just kale karate kayak keen keep keeper kennel kernel kettle key kid kind kindle kindly
king kiosk kite kitten kiwi knee knight knit knob knock knot koala label lace ladder ladle lady lagoon lake lamb
lamp land lane lapel large lark laser lasso late lather latte laugh launch laurel lava lawn lawyer layer leader leaf
league lean learn ledge ledger left legend lemon lemur length lens lentil lesson letter level lever liable lid life
lift light likely lilac lily limb limber lime line linen linger link lion lip liquid list listen liter litter little
live lively living lizard llama loaf loan lobby local locate locket lodge loft log logic lotus lounge lovely loyal
lucky lumber lunar lunch lung lute luxury lynx lyric madam magic magnet maid mail major mallet mammal manage mango
manor mantle map maple marble march mare marina marine maroon marsh martin marvel mascot mask mason mast master mat
match matrix matter may mayor maze meadow meal medal medium mellow melody melon member memory mental mentor menu
merit merry mesa metal meteor meter method middle mighty mile milk mill mimic mind mingle mini mint minute mirror
mist mitten mixer moat mobile model modem modern modest module mole moment monk monkey month moon moose mortar
mosaic moss mostly motel moth mother motion motor motto mound mouse mouth movie mud muffin muffle mug mule mural
murmur muscle museum music mussel mutual muzzle myrtle myself mystic myth nail name napkin narrow nation native
nature nave navy near nearby nearly neat neck needle neon nephew nest net nettle new news newt nicely nickel niece
night nimble nine noble nobody nod noise noodle noon normal north nose note notice notify novel nozzle number nurse
nut nutmeg nuzzle nylon oak oar oasis oat object oblong obtain ocean ocelot octave office oil olive omega omelet one
onion onward onyx opal opaque open opera optic option oracle orange orbit orchid ore organ orient origin osprey
otter ounce outer outfit output oval oven owl owner oxygen oyster ozone pack paddle page pail paint pair palace palm
pan panda panel pansy pantry papaya paper parade parcel parent park parrot party pasta paste pastel pastry patch
path patio patrol pause paw peace peach peak peanut pear pearl pebble pecan pedal peel pen pencil people pepper
perch period person petal phone photo phrase piano pickle picnic pie piece pier pigeon pillar pillow pilot pine pink
pint pipe pirate pitch pixel pizza place plaid plain plan planet plank plant plate plaza please pledge plenty plow
plug plum plume plunge plural plush pocket poem poet point polar polish polite polka pollen polo pond ponder pony
pool poplar poppy porch port portal poster potato potion pouch powder praise prance prefer preset press pretty
primal prince print prism prize prompt proof proper proud prune public puddle pulley pulp pulse puma punch pupil
puppet puppy purple purse puzzle quail quaint quake quart quartz quaver queen quest quick quiet quill quilt quince
quirky quiz quota rabbit race racket radar radial radio radish radius raft rail rain raisin rally ramp ranch random
range ranger rapid rare rather rattle raven ray razor reach ready real reason recall recent recess recipe recite
record redeem reduce reed reef refine reform refund regard region relate relay relic relief remain remark remedy
remind remote remove render rent repair repeat report rescue resin resist resort rest result retain retire retro
return reveal revise revive reward rhyme rhythm ribbon rice rich riddle ride rider ridge right ring ripple rise
ritual river road roast robe robin robot rock rocket rodent rodeo roll roman roof room root rope rose rotary rotate
rotor rough round route row royal rubber ruby rudder ruffle rug rugby ruler rumble runner rural rustic rye saddle
safari safe sage sail sailor salad salary salmon salon salsa salt salute sample sand sandal satin sauce saucer sauna
saw scale scarce scarf scene scenic scent school scoop score scout screen scribe scroll sculpt sea seal search
season seat second secret secure seed select senate senior sentry sequel serene sermon settle seven sewing shade
shadow shaggy shale shaman shape share shark sharp shawl shed sheep sheet shelf shell shield shine ship shirt shoal
shoe shop shore shovel shower shrimp shrub side siesta sign signal silent silk silver simmer simple singer single
siren sister six sixty sizzle skate skater sketch ski skill skirt sky slalom slate sled sleep sleepy sleeve slice
slide slight slim sliver slope slow small smart smile smoke smooth snack snail sneeze snooze snow soap soccer social
sock soda sofa soft soften soil solar solid solo sonar song sonnet sooner soothe sorbet sorrel soup source south soy
space spark speech speed spell sphere spice spider spike spin spinet spiral spirit splash sponge spoon sport spot
spray spread spring sprint sprout spruce square squash squid stable stack staff stage stair stamp star stare start
state statue steam steel steep stem step stereo stick stitch stone stool storm story stove straw stream street
stripe strong studio study style subway sugar suit sultan summer summit sun sunny sunset supper surf swamp swan
sweet swift swim swing switch symbol syrup system table tablet tailor talent talk tall tan tango tank tape target
tart taste tavern taxi tea teach teal team teapot temple ten tender tennis tent tenth test thank theory thick thin
third thirty thread three throne thumb ticket tide tidy tie tiger tile timber time tin tiny tip tissue title toast
today toe toffee tomato tone tongue tool tooth top topaz topic torch torso total totem toucan touch tour towel tower
town toy track trail train tram travel tray treat tree trend trial tribe trick trio trip trophy trout truck true
trunk trust truth tuba tube tulip tuna tundra tunnel turban turf turkey turnip turtle tutor twelve twenty twig twin
twist two typist uncle under union unique unit unity upper urban usher usual vacuum valley valve vapor vase vault
veil vein velvet vendor verb verse vessel vest victor video view villa vine vinyl viola violet violin virtue visa
vision visit visor vista vital vivid vocal voice volley volume voter vowel voyage waffle wagon waist waiter walk
wall wallet walnut walrus waltz wander warm wash wasp watch water wave wax wealth weasel weaver web wedge week well
west whale wharf wheat wheel whisk white whole wick wide widget wife wild willow wind window wing winner winter wire
wisdom wise wolf wonder wood wool word work world worm wreath wren wrist writer yacht yak yard yarn year yeast
yellow yield yoga yogurt yolk yonder young youth zebra zenith zero zesty zigzag zinc zone zoom
"""
WORDS: Final[tuple[str, ...]] = tuple(_TEXT.split())
