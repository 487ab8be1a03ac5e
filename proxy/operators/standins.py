"""The words and ranges that stand-ins are made of: names, places and companies that are nowhere, numbers that are nobody's."""

from __future__ import annotations

FIRST = tuple(
    "Alex Andrea Anna Ben Carla Chris Clara Dana David Elena Emma Eric Eva Felix Frank Greta Hanna Hugo Ida Ines Jack Jana "
    "Jonas Julia Karen Karl Kim Laura Lena Leo Linda Lisa Lucas Maria Mark Marta Max Mia Mila Nadia Nico Nina Nora Olga Oscar "
    "Otto Paul Petra Robin Rosa Ruth Sam Sara Simon Sofia Stella Theo Tina Tom Vera Victor".split()
)
LAST = tuple(
    "Abbott Baker Barnes Becker Bell Bennett Berg Brooks Carter Clark Cole Cooper Cruz Dale Diaz Ellis Evans Fischer Ford Foster "
    "Garcia Grant Gray Hale Hall Harris Hart Hayes Hill Holm Hughes Jansen Jordan Keller King Lane Lang Larsen Lopez Marsh Mason "
    "Meyer Miller Moore Morgan Nash Novak Olsen Owens Palmer Parker Perez Porter Price Reed Rossi Shaw Stone Turner Walsh Webb "
    "West Wood Young".split()
)
TITLES = frozenset("mr mrs ms miss mx dr prof sir dame herr frau madame monsieur señor señora signor signora".split())
PLACES = tuple(
    "Ashford Brookfield Easton Fairview Greenfield Hillcrest Lakeside Maplewood Northfield Oakdale Riverton Westbrook".split()
)
COMPANIES = (
    "Acme",
    "Contoso",
    "Fabrikam",
    "Globex",
    "Initech",
    "Northwind Traders",
    "Tailspin Toys",
    "Umbrella Works",
    "Wide World Importers",
    "Wingtip Toys",
)
GROUPS = ("Ruritanian", "Freedonian", "Sylvanian", "Grand Fenwickian", "Zubrowkan")
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
CARDS = {  # what a brand's numbers begin with, and what the test numbers of payment providers do
    "34": "371449",
    "37": "371449",
    "5": "555555",
    "2": "222300",
    "6": "601100",
    "35": "353011",
    "3": "305693",
    "4": "400000",
}
FICTION = {  # by country code, what numbers begin with that are kept for film and fiction, the longer first
    "1": ("20255501",),  # North American Numbering Plan: 555-0100 to 555-0199
    "44": ("2079460", "7700900"),  # Ofcom
    "33": ("199000", "639980"),  # ARCEP
    "49": ("3023125", "17604069"),  # Bundesnetzagentur
    "61": ("255500", "491570"),  # ACMA
}
