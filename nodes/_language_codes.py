"""Codes of languages: ISO 639-1, 639-2 (both spellings) and 639-3, codes that were withdrawn, and English names.

The first code of each is the one used here. A language that has none of two letters is named where it has other names.
Source: the Library of Congress, https://www.loc.gov/standards/iso639-2/php/code_list.php.
"""

import re

_TABLE = """
aa aar: afar · ab abk: abkhazian · ae ave: avestan · af afr: afrikaans · ak aka: akan · am amh: amharic ·
an arg: aragonese · ar ara arb: arabic · as asm: assamese · av ava: avaric · ay aym ayr: aymara ·
az aze azj: azerbaijani · ba bak: bashkir · be bel: belarusian · bg bul: bulgarian · bh bih: bihari · bi bis: bislama ·
bm bam: bambara · bn ben: bengali · bo bod tib: tibetan · br bre: breton · bs bos: bosnian ·
ca cat: catalan, valencian · ce che: chechen · ch cha: chamorro · co cos: corsican · cr cre: cree · cs ces cze: czech ·
cu chu: church slavonic, old church slavonic · cv chv: chuvash · cy cym wel: welsh · da dan: danish ·
de deu ger: german · dv div: divehi, dhivehi, maldivian · dz dzo: dzongkha · ee ewe: ewe · el ell gre: greek ·
en eng: english · eo epo: esperanto · es spa: spanish, castilian · et est ekk: estonian · eu eus baq: basque ·
fa fas per pes: persian, farsi · ff ful fuv: fulah · fi fin: finnish · fj fij: fijian · fo fao: faroese ·
fr fra fre: french · fy fry: western frisian · ga gle: irish · gd gla: gaelic, scottish gaelic · gl glg: galician ·
gn grn gug: guarani · gu guj: gujarati · gv glv: manx · ha hau: hausa · he heb iw: hebrew · hi hin: hindi ·
ho hmo: hiri motu · hr hrv scr: croatian · ht hat: haitian creole, haitian · hu hun: hungarian · hy hye arm: armenian ·
hz her: herero · ia ina: interlingua · id ind in: indonesian · ie ile: interlingue, occidental · ig ibo: igbo ·
ii iii: sichuan yi, nuosu · ik ipk: inupiaq · io ido: ido · is isl ice: icelandic · it ita: italian ·
iu iku: inuktitut · ja jpn: japanese · jv jav jw: javanese · ka kat geo: georgian · kg kon: kongo ·
ki kik: kikuyu, gikuyu · kj kua: kuanyama, kwanyama · kk kaz: kazakh · kl kal: kalaallisut, greenlandic ·
km khm: khmer, central khmer · kn kan: kannada · ko kor: korean · kr kau knc: kanuri · ks kas: kashmiri ·
ku kur kmr: kurdish · kv kom: komi · kw cor: cornish · ky kir: kyrgyz, kirghiz · la lat: latin ·
lb ltz: luxembourgish, letzeburgesch · lg lug: ganda · li lim: limburgan, limburger, limburgish · ln lin: lingala ·
lo lao: lao · lt lit: lithuanian · lu lub: luba-katanga · lv lav lvs: latvian · mg mlg plt: malagasy ·
mh mah: marshallese · mi mri mao: maori · mk mkd mac: macedonian · ml mal: malayalam · mn mon khk: mongolian ·
mr mar: marathi · ms msa may zsm: malay · mt mlt: maltese · my mya bur: burmese, myanmar · na nau: nauru ·
nd nde: north ndebele · ne nep npi: nepali · ng ndo: ndonga · nl nld dut: dutch, flemish ·
nn nno: norwegian nynorsk, nynorsk · no nor nob nb: norwegian, bokmål, norwegian bokmål · nr nbl: south ndebele ·
nv nav: navajo, navaho · ny nya: chichewa, chewa, nyanja · oc oci: occitan, provençal · oj oji: ojibwa ·
om orm gaz: oromo · or ori ory: odia, oriya · os oss: ossetian, ossetic · pa pan: punjabi, panjabi · pi pli: pali ·
pl pol: polish · ps pus pbt pbu: pashto, pushto · pt por pob: portuguese · qu que quy: quechua · rm roh: romansh ·
rn run: rundi · ro ron rum mo mol: romanian, moldavian, moldovan · ru rus: russian · rw kin: kinyarwanda ·
sa san: sanskrit · sc srd: sardinian · sd snd: sindhi · se sme: northern sami · sg sag: sango ·
si sin: sinhala, sinhalese · sk slk slo: slovak · sl slv: slovenian · sm smo: samoan · sn sna: shona · so som: somali ·
sq sqi alb als: albanian · sr srp scc: serbian · ss ssw: swati · st sot: southern sotho, sotho · su sun: sundanese ·
sv swe: swedish · sw swa swh: swahili · ta tam: tamil · te tel: telugu · tg tgk: tajik · th tha: thai ·
ti tir: tigrinya · tk tuk: turkmen · tl tgl fil: tagalog, filipino · tn tsn: tswana · to ton: tonga · tr tur: turkish ·
ts tso: tsonga · tt tat: tatar · tw twi: twi · ty tah: tahitian · ug uig: uyghur, uighur · uk ukr: ukrainian ·
ur urd: urdu · uz uzb uzn: uzbek · ve ven: venda · vi vie: vietnamese · vo vol: volapük · wa wln: walloon ·
wo wol: wolof · xh xho: xhosa · yi yid ydd ji: yiddish · yo yor: yoruba · za zha: zhuang, chuang ·
zh zho chi cmn: chinese, mandarin, mandarin chinese · zu zul: zulu · yue: cantonese · haw: hawaiian ·
ckb: central kurdish, sorani · prs: dari · ceb: cebuano · ast: asturian
"""
_LINES = [entry.partition(":") for entry in re.split(r"\s*·\s*", _TABLE.strip())]
CODES = {code: codes.split()[0] for codes, _, _ in _LINES for code in codes.split()}  # any code: the one used here
NAMES = {name.strip(): codes.split()[0] for codes, _, names in _LINES for name in names.split(",")}
