"""The words by which the text of a work is asked for, and those by which it is only talked about: en, de, fr, es, it.

The lines of a table are alternatives. What a table says counts in every language: titles and sentences are often mixed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

PARTS = r"""
chapters?|pages?|paragraphs?|stanzas?|verses?|cantos?|acts?|scenes?|opening|beginning|ending|first|last|next|texts?|passages?
excerpts?|extracts?|sections?|books?|novels?|poems?|story|stories|lyrics|lines?|words|sentences?|prologue|epilogue|preface
article|script|screenplay|transcript|source|volume|part
kapiteln?|seiten?|absatz|absätze|strophen?|verse?n?|zeilen?|worte?|wörter|sätzen?|anfang|ende|ersten?|letzten?|nächsten?
textes|textstellen?|auszug|auszüge|abschnitte?|buch(?:es)?|roman(?:s|es)?|gedichte?s?|geschichten?|liedtexte?|drehbuch|vorwort
prolog|epilog|artikels?|band|teil
chapitres?|paragraphes?|strophes?|vers|lignes?|mots|phrases?|début|fin|premi[eè]re?s?|derni[eè]re?s?|suite|extraits?|livres?
romans?|poèmes?|histoire|paroles|scénario|préface|épilogue|tome|partie
cap[ií]tulos?|páginas?|párrafos?|estrofas?|versos?|líneas?|palabras|frases?|principio|comienzo|inicio|final|primer[oa]?s?
últim[oa]s?|textos?|pasajes?|fragmentos?|extractos?|libros?|novelas?|poemas?|historia|letras?|guion|guión|prólogo|epílogo|tomo
parte
capitol[oi]|pagin[ae]|paragraf[oi]|strof[ae]|vers[oi]|righ[ei]|parole|fras[ei]|inizio|prim[oaie]|ultim[oaie]|test[oi]|bran[oi]
estratt[oi]|libr[oi]|romanz[oi]|poesi[ae]|storia|copione|sceneggiatura|prefazione|prologo|epilogo|parti
"""
ASKS = r"""
give|gimme|show|print|write|type|output|display|provide|send|share|paste|copy|post|read|quote|continue|finish|complete|repeat
dump|spell|list|retrieve|fetch|recall|generate|produce|return|need|want|have|see|get|reproduce|recite|transcribe
what (?:is|are|does)
gib|gebt|geben|zeige?|zeigen|schreibe?|schreiben|drucke?|nenne?|sende?|schicke?|kopiere?|lies|lese|vorlesen|zitiere?
wiederhole?|tippe?|brauche|ich will|will ich|möchte|hätte gern|kannst du mir|könntest du mir|können sie mir|rezitiere?
wie (?:lautet|lauten|geht|gehen)|setze
donne[zr]?|montre[zr]?|écris|écrivez|écrire|affiche[zr]?|imprime[zr]?|envoye[zr]|envoie|copie[zr]?|colle[zr]?|lis|lisez|lire
cite[zr]?|continue[zr]?|répète|répétez|tapez?|veux|voudrais|récite[zr]?|reproduis|reproduisez|transcris|transcrivez
quels? (?:est|sont)|quelles? (?:est|sont)
da(?:d)?me|darme|decirme|mostrarme|escribir(?:me)?|copiar(?:me)?|leerme|deme|dadnos|danos|muéstra(?:me|nos)|muestra
escr[ií]be(?:me|nos)?|imprime|env[ií]a(?:me|nos)?|copia(?:me)?|pega|l[eé]e(?:me)?|cita|contin[uú]a|repite|quiero|quisiera
necesito|rec[ií]ta(?:me)?|reproduce|transcribe|cuál(?:es)? (?:es|son)|pon(?:me)?
dammi|darmi|mostrarmi|scriver(?:e|mi)|leggermi|copiare|dimmi|dacci|mostra(?:mi)?|scriv[ai](?:mi)?|stampa(?:mi)?|invia(?:mi)?
copia(?:mi)?|incolla|leggi(?:mi)?|cita(?:mi)?|continua|ripeti(?:mi)?|voglio|vorrei|recita(?:mi)?|riproduci|trascrivi
qual[ei]? (?:è|sono)
"""
# That the text itself is wanted, whatever the words around.
LITERALS = r"""
verbatim|word[- ]for[- ]word|(?:in )?(?:its|their|the) entirety|letter by letter|line by line|reproduce|recite|transcribe
(?:full|entire|complete|whole|exact|original|actual|unabridged) (?:texts?|lyrics|words|wording|book|novel|story|poem)
(?:full|entire|complete|whole|exact|original|actual|unabridged) (?:chapters?|script|article|passage|version|contents?)
from (?:start|beginning) to (?:end|finish)|from memory|in full|word by word
exactly as (?:it (?:is|was) )?(?:written|printed|published)
wörtlich|wortwörtlich|wort für wort|wortgetreu|im wortlaut|den wortlaut|buchstabe für buchstabe|zeile für zeile
ungekürzte?[nrs]?
(?:vollständig|komplett|ganz|gesamt|original|exakt)e?[nrs]? (?:text|wortlaut|buch|roman|geschichte|gedicht)
(?:vollständig|komplett|ganz|gesamt|original|exakt)e?[nrs]? (?:kapitel|liedtext|artikel)
von anfang bis ende|auswendig|rezitiere?n?|trage? (?:\w+ ){0,4}vor
mot (?:à|pour) mot|textuellement|intégralement|en intégralité|dans (?:son|leur) intégralité|ligne par ligne
(?:texte|livre|roman|poème|chapitre|article) (?:intégral|complet|entier|exact|original)|paroles (?:complètes|exactes)
(?:tout le|l['’]intégralité du) (?:texte|livre|roman|poème|chapitre)|du début à la fin|par c(?:œ|oe)ur|récitez?|réciter
palabra por palabra|textualmente|literalmente|al pie de la letra|íntegramente|línea por línea
(?:texto|libro|cuento|poema|capítulo|artículo) (?:completo|íntegro|entero|exacto|original)
(?:novela|letra|historia) (?:completa|íntegra|entera|exacta|original)|todo el (?:texto|libro|poema|capítulo)
de principio a fin|de memoria|rec[ií]ta(?:me)?
parola per parola|testualmente|letteralmente|alla lettera|integralmente|riga per riga
(?:testo|libro|romanzo|capitolo|articolo|brano) (?:completo|integrale|intero|esatto|originale)
(?:poesia|storia) (?:completa|intera)|(?:tutto il|l['’]intero) (?:testo|libro|romanzo|capitolo)|dall['’]inizio alla fine
a memoria|recita(?:mi)?
"""
# The same, even of those who talk about the work.
STRICT = r"""
verbatim|word[- ]for[- ]word|recite|reproduce|wörtlich|wort für wort|rezitiere?|im wortlaut|mot (?:à|pour) mot|textuellement
récitez?|palabra por palabra|textualmente|al pie de la letra|parola per parola|testualmente|alla lettera
(?:give|show|print|output|write|type|display|send|paste)(?: out| me| us){0,2}(?: the)? (?:full|entire|complete) (?:text|lyrics)
"""
# What is said of a title that follows.
BARES = r"""
recite|reproduce|transcribe|type out|write out|print out|read me|read out
rezitiere|zitiere|lies mir|lies uns|schreib mir|tippe
récite|récite-moi|récitez|transcris|transcrivez|lis-moi|lisez-moi
recita|recítame|transcribe|léeme
recita|recitami|trascrivi|leggimi
"""
# What is done with a work without its text.
ABOUTS = r"""
summar\w+|synops\w+|review\w*|analys\w+|analyz\w+|explain\w*|discuss\w*|essays?|compar\w+|interpret\w*|critique\w*|themes?
characters?|plot|who (?:wrote|is|was)|when was|why|how (?:does|did|is|long|many)|translat\w+|paraphras\w+|similar to
inspired by|parod\w+|outline|describe|description|recommend\w*|quiz\w*|questions?|meaning|in the style|buy|order|price|isbn
copies|film|movie|library|about(?=\s*\?)|(?:have|did) you (?:ever )?(?:read|see|seen|like)|author of
i (?:have|had) (?:just )?read|i (?:have|own) the (?:book|novel|story|poem|article)
(?:books?|novels?|stor(?:y|ies)|poems?|songs?|lists?|something|anything) (?:like|such as)|(?:images?|pictures?|drawings?) of
(?:articles?|posts?|story|stories|poems?|books?|something|reports?|papers?) about|in the voice of
zusammenfass\w*|zusammengefasst|fass\w*(?:\W+\w+){0,12}?\W+zusammen|inhaltsangabe\w*|rezension\w*|analysier\w*|erklär\w*
erläuter\w*|diskut\w*|aufsatz|aufsätze|vergleich\w*|interpretier\w*|kritik|themen|figuren|handlung|wer (?:schrieb|hat|ist|war)
wann|warum|wieso|wie (?:lang|viele)|übersetz\w*|umschreib\w*|ähnlich|inspiriert|parodi\w*|beschreib\w*|empf[eie]hl\w*|fragen?
bedeutung|im stile?|kaufen|bestell\w*|preis|verfilmung|(?:buch|bücher|roman|geschichten?|gedichte?) wie
résum\w*|critiques?|expliqu\w*|discut\w*|dissertation|thèmes?|personnages?|intrigue|qui (?:a|est|était)|quand|pourquoi|combien
tradui\w+|traduction|semblable|inspiré\w*|décri\w+|description|recommand\w*|questions?|signification|dans le style|achet\w+
prix|exemplaires|(?:livres?|romans?|histoires?|poèmes?) comme
resum\w+|reseña\w*|anali[cz]\w*|análisis|explica\w*|explique\w*|comenta\w*|ensayo|temas|personajes|trama
quién (?:escribió|es|era)|cuándo|por qué|cuánt[oa]s?|tradu\w+|parecid\w*|similar|inspirad\w*|describ\w*|descripción
recomiend\w*|preguntas?|significado|al estilo|comprar|precio|película|(?:libros?|novelas?|historias?|poemas?) como
riassum\w*|riassunt\w*|recension\w*|analizz\w*|analisi|spiega\w*|discut\w*|saggio|temi|personagg\w*|trama|chi (?:ha|è|era)
quando|perché|quant[oaie]|tradu\w+|simil[ei]|ispirat\w*|descri\w*|consigl\w*|domand[ae]|significato|nello stile|comprare
prezzo|(?:libr[oi]|romanz[oi]|stori[ae]|poesi[ae]) come
"""
# What stands before a title of one word, which may be any word.
NAMINGS = r"""
of|from|novel|book|poem|song|von|aus|roman|buch|gedicht|lied|de|du|livre|poème|chanson|del|novela|libro|poema|canción|di|dal
dello|della|romanzo|poesia|canzone
"""


def _any(table: str) -> str:
    """An expression for any line or alternative of a table. Those that begin with one letter stand together: it is tried once."""
    groups: dict[str, list[str]] = {}
    for each in _alternatives(table):
        first = each[0] if each[0].isalpha() and each[1:2] not in ("?", "*", "+", "{") else ""
        groups.setdefault(first, []).append(each[len(first) :])
    return "|".join(f"{first}(?:{'|'.join(rest)})" for first, rest in groups.items())


def _alternatives(table: str) -> Iterator[str]:
    """What stands between the lines and bars of a table, but for those within brackets."""
    depth = start = 0
    whole = table.strip("\n").replace("\n", "|")
    for place, char in enumerate(whole):
        depth += (char in "([") - (char in ")]")
        if char == "|" and not depth:
            yield whole[start:place]
            start = place + 1
    yield whole[start:]


LITERAL = re.compile(rf"\b(?:{_any(LITERALS)})\b", re.IGNORECASE)
VERBATIM = re.compile(rf"\b(?:{_any(STRICT)})\b", re.IGNORECASE)
PART = re.compile(rf"\b(?:{_any(ASKS)})\b(?:\W+\w+){{0,8}}?\W+(?:{_any(PARTS)})\b", re.IGNORECASE)
BARE = re.compile(rf"\b(?:{_any(BARES)})\b", re.IGNORECASE)
ABOUT = re.compile(rf"\b(?:{_any(ABOUTS)})\b", re.IGNORECASE)
NAMED = re.compile(rf"(?:\b(?:{_any(NAMINGS)})|\b[ld]['’]|[\"'“„‘*_«‹])\s*$", re.IGNORECASE)
