"""Names of a person's fields in forms and programs, in English, Spanish and Portuguese.

Form builders, CRMs and spreadsheets send names chosen by people. A name is recognised as a whole ("Correo
electrónico"), without small words around it ("¿Cuál es tu nombre?"), or, for phones and e-mails whose value confirms
it, by a part ("celular_/_whatsapp"). A name about another person is never a field of the lead.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

from mappings.normalisation import unaccented
from mappings.remembered import REMEMBERED, remembered

#: The usual names -> ours. A full name stays whole: it is ambiguous where "Ana María de la Cruz" divides.
KNOWN: Final = {
    other: ours
    for ours, others in {
        "first_name": "name full_name fullname your_name first_name firstname nombre nombres nombre_completo"
        " nombre_y_apellido nombre_y_apellidos nombres_y_apellidos tu_nombre primer_nombre nome nome_completo"
        " primeiro_nome nome_e_sobrenome names",
        "last_name": "last_name lastname surname family_name apellido apellidos sobrenome segundo_nome primer_apellido",
        "email": "email e_mail mail email_address your_email correo correo_electronico tu_correo tu_email correo_e"
        " direccion_de_correo direccion_de_correo_electronico emails endereco_de_email",
        "phones": "phone phones phone_number phonenumber mobile mobile_phone mobilephone personal_phone work_phone tel"
        " telephone telefono telefonos telefono_movil telefono_celular telefono_fijo telefono_de_contacto"
        " numero_de_telefono numero_de_celular numero_telefonico celular movil whatsapp numero_de_whatsapp telefone"
        " telefone_celular telefone_fixo fone numero_de_contacto numero_de_contato numero_para_contato"
        " contact_number celulares cel fono fijo telefone_de_contato",
        "id_number": "id_number national_id documento numero_de_documento documento_de_identidad cedula"
        " numero_de_cedula cedula_de_ciudadania dni rut cpf curp numero_de_identificacion",
        "id_type": "id_type tipo_de_documento tipo_documento",
        "age": "age edad idade",
        "gender": "gender sexo genero",
        "country": "country pais pais_de_residencia",
        "state": "state province region provincia estado departamento",
        "city": "city ciudad municipio cidade ciudad_de_residencia",
        "zone": "zone zona barrio bairro",
        "address": "address street_address direccion endereco",
    }.items()
    for other in others.split()
}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Words that do not tell the field.
_SMALL: Final = _words(
    "a al com con cual da de del dela digita digite do e el en enter es escribe escriba favor in indica indique informe"
    " ingresa ingrese inserte insira introduce is it la las lead lo los me mi my n no nos nr nro num o of os para"
    " please por preencha qual que s seu seus su sua suas sus te the to tu tus u un una what whats y your contact"
    " contacto contato cf custom field campo label principal personal particular personales completo coloca"
    " coloque comparte compartenos deixa deixe deja dejame dejanos dejar deje dejenos leave pon share"
)
_PHONE_PARTS: Final = _words(
    "cel cels celular celulares cell cellphone cellular fijo fono fone mobile mobiles movil moviles phone phones tel"
    " telef telefone telefones telefono telefonos telephone telf tels tfno tlf whatsap whatsapp whats wapp wpp wsp zap"
    " zapzap"
)
#: Found inside of words that are glued together, "numerocelular".
_PHONE_STEMS: Final = ("celular", "telefon", "whatsapp", "phone", "movil")
#: Words beside "phone" that show that it is not the number itself, or one that nobody answers.
_NOT_A_NUMBER: Final = _words(
    "fax hora horario horarios time when cuando quando dia day modelo model marca brand operador operadora carrier plan"
    " tipo type codigo code indicativo ddd ddi prefijo prefixo prefix extension ext ramal anexo pais country verified"
    " verificado valid status estado id imei iphone headphone headphones microphone smartphone factura contrato"
)
#: "¿A qué número podemos llamarte?"
_NUMBER: Final = _words("numero number nro")
_SHORT_NUMBER: Final = _words("no num n numeros numbers")
_CONTACT: Final = _words("contacto contactos contact contato contatos")
_TO_CALL: Final = _words(
    "call comunicarnos comunicarse contactar contactarle contactarlo contactarte contactemos contatar escribirte falar"
    " ligar ligarmos llamamos llamar llamarla llamarle llamarlo llamarte llamemos reach ubicarte"
)
_EMAIL_PARTS: Final = _words("email emails mail correo correos")
#: Words for another person than the one who filled in the form.
_OTHERS: Final = _words(
    "acompanante acompanhante acudiente acudientes advisor agent agente amiga amigas amigo amigos apoderado"
    " apoderada asesor asesora assistant asistente avalista beneficiario beneficiaria boss branch brother child"
    " chefe codeudor colega companero companera conhecido conhecida conocido conocida concesionario conjuge"
    " conyuge cosigner cousin coworker dad daughter dealer ejecutivo ejecutiva emergencia emergencias emergency"
    " esposa esposo familia familiar familiares family father fiador filha filho filial friend friends guarantor"
    " guardian guest hermana hermano hija hijas hijo hijos husband indicacao indicacoes indicado indicada"
    " indicados invitado invitada irma irmao jefe loja madre mae mama marido mom mother neighbor neighbour novia"
    " novio padre padres pai papa parent parente parents pareja parceiro pariente partner primo recomendado"
    " recomendada recomendados recomienda recomiendas recomiendes refieras refieres refirio referee reference"
    " references referencia referencias referido referida referidos referral referrals referred representante"
    " responsable responsavel seller secretaria secretary sister spouse store sucursal supervisor tercero terceiro"
    " tienda tio tia tutor vecina vecino vendedor vendedora vendor wife broker corredor corretor corretora docente"
    " doctor doctora fornecedor gestor gestora medica medico profesor profesora promotor promotora proveedor"
    " proveedora sede supplier teacher abuela abuelo aunt avo cunada cunado cunhada cunhado employer empleador"
    " grandfather grandmother neta neto nephew niece nieta nieto padrino patrocinador prima recado recados recomendo"
    " recomendaron referer referrer roommate sobrina sobrino sogra sogro sponsor suegra suegro uncle"
)
_OTHER_PERSONS: Final = (
    "otra_persona",
    "otro_contacto",
    "outra_pessoa",
    "outro_contato",
    "another_person",
    "other_person",
)
_NO_LABEL: Final = re.compile(r"(?:no label|sin etiqueta|sem (?:r[oó]tulo|etiqueta|legenda))\s+(?=\S)", re.IGNORECASE)
#: "telefone_com_ddd" is one number, whole.
_WITH_CODE: Final = re.compile(
    r"_(?:com|con|with|incl\w*|mas|mais|sem|sin|without)(?:_\w+?)?_(?:ddd|ddi|codigo|code|indicativo|prefijo|prefixo|prefix).*"
)
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


_BETWEEN: Final = re.compile("[^a-z0-9]+")
_LONGEST: Final = 200  #: characters of a name that are read


@remembered()
def folded(name: str) -> str:
    """A name in the form of `KNOWN`: lower case, no accents, one underscore between words."""
    return _BETWEEN.sub("_", unaccented(name).lower()).strip("_")


@remembered()
def snake(name: str) -> str:
    """ "ticketId" and "Ticket ID" as "ticket_id"."""
    return folded(_CAMEL.sub("_", name))


@remembered()
def _parts(name: str) -> frozenset[str]:
    return frozenset(snake(name).split("_"))


def _core(name: str) -> str:
    """The meaningful words of a folded name."""
    return "_".join(word for word in name.split("_") if word not in _SMALL)


#: Too little is left of "numero de contacto" to know it again.
_TOO_LITTLE: Final = ("", "numero", "number")
_CORES: Final = {core: ours for other, ours in KNOWN.items() if (core := _core(other)) not in _TOO_LITTLE}


@remembered()
def known(name: str) -> str:
    """Our field for this whole name; "" if it is unknown."""
    bare = _NO_LABEL.sub("", name.strip(), count=1)
    return KNOWN.get(folded(bare)) or KNOWN.get(snake(bare)) or _CORES.get(_core(snake(bare)), "")


@remembered()
def speaks_of_another(name: str) -> bool:
    """Whether a name is about another person than the lead: "Teléfono de tu referido"."""
    if known(name):
        return False
    return not _OTHERS.isdisjoint(_parts(name)) or any(phrase in snake(name) for phrase in _OTHER_PERSONS)


def guess(name: str, value: Any) -> str:
    """Our field for a name, as a whole or, for phones and e-mails that the value confirms, in part; "" for none."""
    if not name:
        return ""
    whole, part = _meaning(name)
    return whole or (part if part and _bears_out(part, value) else "")


@remembered()
def _meaning(name: str) -> tuple[str, str]:
    """Our field for the whole name, and the one for a part of it."""
    if speaks_of_another(name):
        return "", ""
    whole = known(name)
    return whole, "" if whole else _part_of(name)


def guess_of_question(name: str, title: str, value: Any) -> tuple[str, bool]:
    """Our field for a form's question, by its name or else its title; and whether it is about another person."""
    if len(name) > REMEMBERED or len(title) > REMEMBERED:
        name, title = name[:_LONGEST], title[:_LONGEST]
        another, meanings = _question.__wrapped__(name, title)
    else:
        another, meanings = _question(name, title)
    for whole, part in meanings:
        if whole or (part and _bears_out(part, value)):
            return whole or part, another
    return "", another


@lru_cache(maxsize=2048)
def _question(name: str, title: str) -> tuple[bool, tuple[tuple[str, str], ...]]:
    called = [text for text in (name, title) if text]
    another = any(map(speaks_of_another, called))
    return another, () if another else tuple(found for text in called if any(found := _meaning(text)))


def _part_of(name: str) -> str:
    parts = _parts(_WITH_CODE.sub("", snake(name)))
    if not _EMAIL_PARTS.isdisjoint(parts):
        return "email"
    is_phone = not _PHONE_PARTS.isdisjoint(parts) or any(stem in part for part in parts for stem in _PHONE_STEMS)
    if not is_phone and (_NUMBER.isdisjoint(parts) or _TO_CALL.isdisjoint(parts)) and not _is_contact_number(parts):
        return ""
    return "phones" if _NOT_A_NUMBER.isdisjoint(parts) else ""


def _is_contact_number(parts: frozenset[str]) -> bool:
    """Whether it says "number" and "contact", and nothing else: "Nro. contacto", "contact_no"."""
    numbers, contacts = parts & (_NUMBER | _SHORT_NUMBER), parts & _CONTACT
    return bool(numbers and contacts) and parts <= _NUMBER | _SHORT_NUMBER | _CONTACT | _SMALL


def _bears_out(field: str, value: Any) -> bool:
    texts = value if isinstance(value, list) else [value]
    if field == "email":
        return any(isinstance(text, str) and "@" in text for text in texts)
    return any(has_a_number(text) for text in texts)


def has_a_number(value: Any) -> bool:
    """Whether a value may hold a phone number: seven digits at least."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    return isinstance(text, str) and sum(map(str.isdecimal, text[:200])) >= 7
