"""Common words of English, and of what people hide: a text decoded is believed when it has them and the encoded text has not.

Counted by the texts that they occur in, over ordinary requests and over attacks and harmful requests, and looked through by hand.
"""

from __future__ import annotations

COMMON = frozenset(
    """
    abide ability able about above acceptable access account accounts acid act action activities actual add address admin
    adult advice after again against age agree ai all allowed already also alternative always am among amount an analysis
    and another answer answers any anybody anyone anything are article artificial as ask asked assistant at attached
    attack attacks author available avoid away back bad bank base based basic bastard be because been before behavior
    being beliefs below best better between big bitch black blog body bomb bombs book both boy boys break breaking bring
    broken brought brown build business but buy by bypass call called came camera campaign can cannot car card care carry
    case cases caught cause certain change changes character chatgpt cheat check chemical chemicals child children classes
    close cocaine code color come commands commit common community company comply computer confidential confines confirm
    consent consequences considered const content context control conversation convince cook correct could counterfeit
    country crack cracked create created creating creative credentials credit crime crimes culture current cut cutting
    damage dan dangerous data database date day dead deal dealer dear death decode default delete department derogatory
    describe description design destination detailed details detection develop developer development device did die
    different directions disable discrimination display disregard distribute do document does doing door down drug drugs
    dumb dump during each earlier effective else email emotions employee encode encourage end engage english enter error
    ethical ethics evade even event events ever every everyone everything exact exactly example exfiltrate exist explain
    explicit exploit exploits explosive explosives express fake false fat feedback feel feelings few file files filter
    filtering filters finally financial find first follow followers following for forge forget form format forward found
    fraud fraudulent free freedom friend friends from fuck fucking full function further game gave gay gender generate
    generator get getting gift girl girls give given go going gone good got government great grenade group groups guard
    guardrails guidance guide guidelines gun guns hack hacker hackers hacking hacks had harm harmful has hate hateful
    hatred have he health held hello help her here heroin hers hey hi hidden hide high him his history hitler hold home
    hotwire hour hours house how however hr human humans hurt id identity idiot if ignore illegal illegally immigrants
    important in inappropriate include includes including individuals industry inform information inject injection input
    insider instantly instead instruct instruction instructions intelligence internet into intolerance introduce involving
    io is issue issues it item items its jailbreak javascript jewish jews join jokes json just justify keep kept key
    keylogger keys kids kill kind knew know knowing knowledge known language large last launched launder law laws leak
    left legal lesbian less let lets letters level life like limitations line list little live location lock locks log
    login long look looking lot lots love low machine made main make making malware man manipulate many march market
    marketing materials matter may me means media medical member men message messages meth method methods might mine
    minutes misinformation mode model mon money month months moral morally more morning most movie much multiple murder
    muslim muslims must my naked name nazi need network never new news next nice night no nobody non none normal normally
    not notes nothing now nude number obey object obtain of off offensive often ok old on once one online only open
    opinions options or ora order organization organizations origin original other others our ours out output over
    overridden override overrides own owner part password passwords path patients paying payment people perform person
    persona personal personality phishing phone pick place plan play playing please poison policies policy political
    popular porn position possible post power present pretend previous price print prior privacy private problem process
    produce product program programming project promote promotes prompt prompts provide provided public published purchase
    put python question questions race racism racist ransomware re read real really reason received refusal refuse
    related remember remind remove repeat reply reputation request requests required resources respond response responses
    restricted restrictions result results return reveal review right risk rob role roleplay root router rules run
    sabotage safety same say saying says scam scheme script scum search second secret secretly secrets secure security see
    self sell send sensitive sentence separate server service set sex sexual shall she shell shit short should show
    showing simple simulate site size small smuggle so social software some someone something sorry source south speak
    specific speech spread spreads sql staff stands start state states status stay steal step steps still stolen stop
    store story strategies study stupid such sudo suggest suggests suicide summarize support sure system systems table
    take taken targets task taxes teach techniques tell terms terror terrorism terrorist test text th than thank thanks
    that the their them then theory there these they things think third this those thought three through tickets time tips
    title to today token tokens told tomorrow too took tools total track trading traffic trans transfer translate trash
    true try tutorial two type typical ugly uncensored under understand undetected unethical unfiltered united unlock
    unrestricted until up update updated us use used user users using valid value verified verify vermin version very
    victim victims video violence violent virtual virus vulnerable want warnings was water way ways we weapon weapons
    website websites week weeks well went were what when where whether which while white who why wifi will with within
    without woman women won wong word words work world would write writing wrong www year years yes yesterday yet yo you
    young your yourself zip
    """.split()
)
