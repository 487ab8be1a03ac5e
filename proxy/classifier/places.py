"""Names of countries, regions and large cities, and of the people who are called after them; our own short list, in English.

Names that are as often something else (Georgia, Jordan, Reading, Nice, Victoria, Orange) count only where the encoder takes them
for a place, too.
"""

from __future__ import annotations


def names(lines: str) -> frozenset[str]:
    """The names in a list with signs between."""
    return frozenset(" ".join(name.split()) for name in lines.split("|"))


COUNTRIES = names(
    "Afghanistan|Albania|Algeria|Andorra|Angola|Argentina|Armenia|Australia|Austria|Azerbaijan|Bahamas|Bahrain|Bangladesh"
    "|Barbados|Belarus|Belgium|Belize|Benin|Bhutan|Bolivia|Bosnia|Bosnia and Herzegovina|Botswana|Brazil|Brunei|Bulgaria"
    "|Burkina Faso|Burundi|Cambodia|Cameroon|Canada|Cape Verde|Central African Republic|Chile|China|Colombia|Comoros"
    "|Costa Rica|Croatia|Cuba|Cyprus|Czech Republic|Czechia|Denmark|Djibouti|Dominican Republic|Ecuador|Egypt|El Salvador"
    "|England|Equatorial Guinea|Eritrea|Estonia|Eswatini|Ethiopia|Fiji|Finland|France|Gabon|Gambia|Germany|Ghana|Greece"
    "|Greenland|Grenada|Guatemala|Guinea|Guyana|Haiti|Honduras|Hungary|Iceland|India|Indonesia|Iran|Iraq|Ireland|Israel|Italy"
    "|Ivory Coast|Jamaica|Japan|Kazakhstan|Kenya|Kosovo|Kuwait|Kyrgyzstan|Laos|Latvia|Lebanon|Lesotho|Liberia|Libya"
    "|Liechtenstein|Lithuania|Luxembourg|Macedonia|Madagascar|Malawi|Malaysia|Maldives|Mali|Malta|Mauritania|Mauritius|Mexico"
    "|Micronesia|Moldova|Monaco|Mongolia|Montenegro|Morocco|Mozambique|Myanmar|Namibia|Nepal|Netherlands|New Zealand"
    "|Nicaragua|Niger|Nigeria|North Korea|Northern Ireland|Norway|Oman|Pakistan|Palestine|Panama|Papua New Guinea|Paraguay"
    "|Peru|Philippines|Poland|Portugal|Puerto Rico|Qatar|Romania|Russia|Rwanda|Samoa|Saudi Arabia|Scotland|Senegal|Serbia"
    "|Seychelles|Sierra Leone|Singapore|Slovakia|Slovenia|Somalia|South Africa|South Korea|South Sudan|Soviet Union|Spain"
    "|Sri Lanka|Sudan|Suriname|Sweden|Switzerland|Syria|Taiwan|Tajikistan|Tanzania|Thailand|Tibet|Togo|Tonga"
    "|Trinidad and Tobago|Tunisia|Turkey|Turkmenistan|UAE|UK|USA|USSR|Uganda|Ukraine|United Arab Emirates|United Kingdom"
    "|United States|United States of America|Great Britain|Britain|Uruguay|Uzbekistan|Venezuela|Vietnam|Wales|Yemen"
    "|Yugoslavia|Zambia|Zimbabwe|U.S.|U.K.|U.S.A.|Catalonia|Chechnya|Crimea|Kashmir|Kurdistan|Scandinavia|Siberia|Bavaria"
    "|Tuscany|Gaza|Gaza Strip|West Bank|Hong Kong|Macau"
)
REGIONS = names(
    "Africa|Asia|Europe|North America|South America|Latin America|Central America|Middle East|Southeast Asia|Antarctica"
    "|Caribbean|Alabama|Alaska|Arizona|Arkansas|California|Colorado|Connecticut|Delaware|Florida|Hawaii|Idaho|Illinois"
    "|Indiana|Iowa|Kansas|Kentucky|Louisiana|Maine|Maryland|Massachusetts|Michigan|Minnesota|Mississippi|Missouri|Montana"
    "|Nebraska|Nevada|New Hampshire|New Jersey|New Mexico|New York|North Carolina|North Dakota|Ohio|Oklahoma|Oregon"
    "|Pennsylvania|Rhode Island|South Carolina|South Dakota|Tennessee|Texas|Utah|Vermont|West Virginia|Wisconsin|Wyoming"
    "|Ontario|Quebec|British Columbia|Alberta|Manitoba|Saskatchewan|Nova Scotia|New Brunswick|Newfoundland|New South Wales"
    "|Queensland|Tasmania|Western Australia|South Australia|Punjab|Gujarat|Kerala|Bengal|Bihar|Sindh|Balochistan|Cornwall"
    "|Yorkshire|Essex|Sussex|Normandy|Brittany|Provence|Saxony|Prussia|Silesia|Galicia|Andalusia|Lombardy|Sicily|Sardinia"
    "|Corsica|Crete|Anatolia|Manchuria|Okinawa"
)
CITIES = names(
    "Abidjan|Abu Dhabi|Accra|Addis Ababa|Adelaide|Aleppo|Algiers|Amman|Amsterdam|Ankara|Antwerp|Athens|Atlanta|Auckland"
    "|Baghdad|Baku|Baltimore|Bangalore|Bangkok|Barcelona|Basel|Basra|Beijing|Beirut|Belfast|Belgrade|Bengaluru|Berlin|Berne"
    "|Birmingham|Bogotá|Bogota|Bologna|Bombay|Bonn|Bordeaux|Boston|Bratislava|Brasília|Brisbane|Bristol|Brooklyn|Brussels"
    "|Bucharest|Budapest|Buenos Aires|Buffalo|Cairo|Calcutta|Calgary|Canberra|Cape Town|Caracas|Cardiff|Casablanca|Chennai"
    "|Chicago|Chittagong|Cincinnati|Cleveland|Colombo|Copenhagen|Dakar|Damascus|Dar es Salaam|Delhi|Denver|Detroit|Dhaka|Doha"
    "|Donetsk|Dortmund|Dresden|Dubai|Dublin|Durban|Düsseldorf|Edinburgh|Edmonton|Frankfurt|Fallujah|Gdansk|Geneva|Genoa"
    "|Glasgow|Gothenburg|Guadalajara|Guangzhou|Hamburg|Hanoi|Hanover|Harare|Havana|Helsinki|Hiroshima|Ho Chi Minh City"
    "|Honolulu|Houston|Hyderabad|Indianapolis|Islamabad|Istanbul|Jakarta|Jeddah|Jerusalem|Johannesburg|Kabul|Kampala|Kandahar"
    "|Karachi|Kathmandu|Khartoum|Kiev|Kigali|Kinshasa|Kolkata|Krakow|Kraków|Kuala Lumpur|Kyiv|Kyoto|Lagos|Lahore|Las Vegas"
    "|Leeds|Leipzig|Leningrad|Lima|Lisbon|Liverpool|London|Los Angeles|Louisville|Lyon|Madras|Madrid|Manchester|Manhattan"
    "|Manila|Marseille|Mecca|Melbourne|Memphis|Mexico City|Miami|Milan|Milwaukee|Minneapolis|Minsk|Mogadishu|Montevideo"
    "|Montreal|Moscow|Mosul|Mumbai|Munich|Nagasaki|Nagoya|Nairobi|Nanjing|Naples|New Delhi|New Orleans|New York City"
    "|Nuremberg|Oakland|Odessa|Osaka|Oslo|Ottawa|Palermo|Paris|Peshawar|Philadelphia|Phnom Penh|Pittsburgh|Port-au-Prince"
    "|Porto|Portland|Prague|Pretoria|Pyongyang|Quito|Rabat|Raleigh|Rangoon|Reykjavik|Riga|Rio de Janeiro|Riyadh|Rome"
    "|Rotterdam|Sacramento|Saigon|Salt Lake City|San Antonio|San Diego|San Francisco|San Jose|San Juan|Sao Paulo|São Paulo"
    "|Sarajevo|Seattle|Seoul|Seville|Shanghai|Sheffield|Shenzhen|Sofia|St. Louis|St. Petersburg|Stockholm|Strasbourg"
    "|Stuttgart|Sydney|Taipei|Tallinn|Tampa|Tashkent|Tbilisi|Tehran|Tel Aviv|Tokyo|Toronto|Tripoli|Tunis|Turin|Utrecht"
    "|Vancouver|Venice|Vienna|Vilnius|Warsaw|Washington D.C.|Washington, D.C.|Washington DC|Wellington|Winnipeg|Wuhan|Yangon"
    "|Yerevan|Yokohama|Zagreb|Zurich|Zürich"
)
PEOPLES = names(
    "Afghan|Afghans|African|Africans|African American|African Americans|African-American|Albanian|Algerian|American|Americans"
    "|Arab|Arabs|Arabian|Argentine|Argentinian|Armenian|Asian|Asians|Australian|Australians|Austrian|Azerbaijani|Bangladeshi"
    "|Belarusian|Belgian|Bolivian|Bosnian|Brazilian|Brazilians|British|Bulgarian|Burmese|Cambodian|Canadian|Canadians|Catalan"
    "|Chechen|Chilean|Chinese|Colombian|Croatian|Cuban|Cypriot|Czech|Danish|Dutch|Egyptian|Egyptians|English|Estonian"
    "|Ethiopian|European|Europeans|Filipino|Finnish|French|Frenchman|Georgian|German|Germans|Ghanaian|Greek|Greeks|Guatemalan"
    "|Haitian|Hispanic|Hispanics|Hungarian|Icelandic|Indian|Indians|Indonesian|Iranian|Iranians|Iraqi|Iraqis|Irish|Israeli"
    "|Israelis|Italian|Italians|Ivorian|Jamaican|Japanese|Jordanian|Kazakh|Kenyan|Korean|Koreans|Kurd|Kurds|Kurdish|Kuwaiti"
    "|Latino|Latinos|Latvian|Lebanese|Liberian|Libyan|Lithuanian|Macedonian|Malaysian|Mexican|Mexicans|Mongolian|Moroccan"
    "|Nepalese|New Zealander|Nigerian|Nigerians|North Korean|Norwegian|Pakistani|Pakistanis|Palestinian|Palestinians|Persian"
    "|Peruvian|Pole|Poles|Portuguese|Puerto Rican|Roma|Romanian|Russian|Russians|Rwandan|Saudi|Saudis|Scottish|Serb|Serbs"
    "|Serbian|Slovak|Slovenian|Somali|Somalis|South African|South Korean|Soviet|Spaniard|Spanish|Sri Lankan|Sudanese|Swede"
    "|Swedes|Swedish|Swiss|Syrian|Syrians|Taiwanese|Tamil|Tamils|Thai|Tibetan|Tunisian|Turk|Turks|Turkish|Turkmen|Ugandan"
    "|Ukrainian|Ukrainians|Uzbek|Venezuelan|Vietnamese|Welsh|Yemeni|Yazidi|Yazidis|Yezidi|Yezidis|Zambian|Zimbabwean|Buddhist"
    "|Buddhists|Catholic|Catholics|Christian|Christians|Hindu|Hindus|Islamic|Islamist|Islamists|Jew|Jews|Jewish|Lutheran"
    "|Methodist|Mormon|Mormons|Muslim|Muslims|Orthodox|Protestant|Protestants|Shia|Shiite|Shiites|Sikh|Sikhs|Sunni|Sunnis"
    "|Communist|Communists|Conservative|Conservatives|Democrat|Democrats|Republican|Republicans|Labour|Tory|Tories|Nazi|Nazis"
    "|Socialist|Socialists"
)
UNSURE = names(
    "US|Georgia|Jordan|Chad|Victoria|Virginia|Washington|Dallas|Austin|Phoenix|Charlotte|Florence|Orlando|Jackson|Lincoln"
    "|Columbus|Santiago|Hamilton|Nice|Reading|Bath|Cologne|Perth|Kent|Surrey|Essex|Newcastle"
)
OF_SMALL_LETTERS = names(
    "turkey|china|guinea|oman|mali|buffalo|lima|bologna|sofia|manila|siberia|crete|odessa|venice"
)  # other words
