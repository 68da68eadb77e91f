"""The meaning of column titles in exports of CRMs, forms and diallers, and in hand-made lists.

A title is recognised as a whole ("Fecha de creación"), without filler words ("Nombre del cliente"), or, for phones,
e-mails and documents, by a part of it ("Celular (WhatsApp)"). Some titles mean different things in different files
("Contacto", "Número", "Casa"): the values below them decide.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Final

from mappings import names
from mappings.names import folded, snake
from mappings.normalisation import nfkc
from mappings.phones.hints import kind_of_name
from mappings.phones.remarks import negative
from mappings.remembered import remembered

_LONGEST: Final = 1000  #: characters of a title that are read


@dataclass(frozen=True, slots=True)
class Meaning:
    """Our field; of several columns with the same field the lowest rank comes first, and parts are joined in order."""

    field: str
    rank: tuple[int, int] = (0, 0)
    part: int = 0
    how: str = "whole"  #: "whole" | "part" of the title | "values": they decide


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


#: Titles as a whole, folded. wolkvox, VICIdial, Neotel, Issabel, Five9, HubSpot, Salesforce, RD, Zoho, Pipedrive,
#: Google, Meta, Typeform and WooCommerce call them so.
_WHOLE: Final = {
    title: Meaning(field, rank=(rank, 0), part=part, how=how)
    for field, rank, part, how, titles in (
        (
            *("id", 0, 0, "whole"),
            "record_id lead_id person_id persona_id pessoa_id contact_id submission_id response_id entry_id order_id"
            " order_number vendor_lead_code id_de_registro id_do_registro id_registro id_lead id_contacto idcontacto"
            " contacto_id id_de_contacto numero_de_pedido id_de_pedido id_candidato id_de_candidato external_id"
            " externalid inin_outbound_id contact_record_id deal_id",
        ),
        (
            *("time", 0, 0, "values"),
            "timestamp create_date created created_at created_time created_on createdate date_created creation_date"
            " creation_time submission_time submission_date submit_date submitted_at submitted_on date_submitted"
            " entry_date order_date received_at lead_created_time date_added added_time start_date_time"
            " fecha_de_creacion fecha_creacion fecha_de_registro fecha_registro fecha_de_ingreso fecha_ingreso"
            " fecha_de_envio fecha_envio fecha_de_solicitud fecha_solicitud fecha_del_lead fecha_lead fecha_pedido"
            " fecha_del_pedido fecha_de_alta fecha_alta fecha_de_contacto fecha_de_carga fecha_carga marca_temporal"
            " marca_de_tiempo hora_de_envio hora_de_creacion creado creado_el creado_en enviado_el fecha_de_inscripcion"
            " data_de_criacao data_criacao data_de_cadastro data_cadastro data_do_cadastro data_da_conversao"
            " data_de_conversao data_de_envio data_do_envio data_do_lead carimbo_de_data_hora carimbo_de_data_e_hora"
            " carimbo_de_data criado_em data_do_pedido data_de_inscricao hora_da_criacao",
        ),
        (
            *("time", 1, 0, "values"),
            "fecha fecha_hora fecha_y_hora date datetime date_time data data_hora data_e_hora fecha_de_conversion"
            " data_da_primeira_conversao",
        ),
        (
            *("id_number", 0, 0, "whole"),
            "customer_id cc c_c ci c_i id_cliente cliente_id id_customer id_del_cliente id_client client_id"
            " numero_id no_id nro_id identification_number document_number national_id identity_number nuip"
            " nif nie run rut ruc rfc curp cpf cnpj nit dni cuil cuit ssn tax_id dpi cui dui tin cif"
            " nif_cif cedula_ruc cpf_cnpj",
        ),
        (
            *("id_type", 0, 0, "whole"),
            "id_type tipo_de_documento tipo_documento tipo_doc tipo_de_doc tipo_identificacion tipo_de_identificacion"
            " document_type tp_doc tipo_id tipo_de_id tipo_do_documento td identification_type",
        ),
        (
            *("first_name", 0, 0, "whole"),
            "first_name firstname given_name nombre nombres primer_nombre nombre_de_pila nombre_pila primeiro_nome"
            " forename pila nom nomb fname first name_first nombre_1 1er_nombre",
        ),
        (
            *("first_name", 1, 0, "whole"),
            "customer_name name names full_name fullname nome nomes nombre_completo nome_completo display_name"
            " public_display_name complete_name apellidos_y_nombres apellidos_nombres apellido_y_nombre apellido_nombre"
            " apellidos_y_nombre nombres_apellidos nombre_apellido nombre_apellidos nombre_y_apellido"
            " nombres_y_apellidos nombre_y_apellidos nombre_o_razon_social nombre_razon_social como_te_llamas"
            " como_se_llama como_voce_se_chama qual_e_o_seu_nome whats_your_name what_is_your_name nome_sobrenome"
            " nome_e_sobrenome nombres_completos nom_completo razon_social nombre_para_mostrar nome_para_exibicao"
            " nombre_y_apellidos_completos nombres_y_apellidos_completos nombre_y_apellido_completo"
            " razon_social_nombre",
        ),
        (*("first_name", 0, 1, "whole"), "middle_name middle segundo_nombre segundo_nome middle_initial otros_nombres"),
        (
            *("last_name", 0, 0, "whole"),
            "customer_last_name last_name lastname last surname family_name apellido apellidos sobrenome"
            " primer_apellido apellido_paterno paterno ap_paterno ape_paterno apellido_1 apellido1 1er_apellido"
            " ultimo_nome ape apell lname name_last",
        ),
        (
            *("last_name", 0, 1, "whole"),
            "segundo_apellido apellido_materno materno ap_materno ape_materno apellido_2 apellido2 2do_apellido"
            " second_last_name",
        ),
        (*("phones", 2, 0, "whole"), "tel_extra"),
        (
            *("phones", 0, 0, "whole"),
            "msisdn ani celphone celfone numero_marcado destination_number dial_number dialed_number dialled_number"
            " number_to_dial numero_discado mobil wasap guasap day_phone evening_phone sms"
            " text_reminder_number sms_number numero_sms",
        ),
        (*("phones", 1, 0, "values"), "home work casa trabajo oficina business residencia other otro"),
        (
            *("phones", 0, 0, "values"),
            "numero number num nro numeros numbers contacto contact contato numero_de_contacto contact_number destino"
            " numero_a_marcar callerid caller_id destinatario dst dnis linea primary_number main_number abonado"
            " destination wa handy",
        ),
        (
            *("first_name", 2, 0, "values"),
            "cliente client customer titular alumno aluno estudiante paciente prospecto lead afiliado afiliada"
            " asegurado asegurada segurado deudor devedor suscriptor suscriptora assinante socio socia"
            " aspirante interesado interesada participante inscrito inscrita postulante candidato candidata solicitante"
            " comprador usuario persona persona_de_contacto contact_person pessoa_de_contato student patient member"
            " subscriber applicant",
        ),
        (*("email", 1, 0, "values"), "direccion_electronica endereco_eletronico correio correio_eletronico"),
        (*("", 0, 0, "whole"), "estado_del_lead estado_lead estado_do_lead estado_del_contacto estado_del_cliente"),
        (*("age", 0, 0, "whole"), "edad_en_anos cuantos_anos_tienes anos_cumplidos qual_sua_idade"),
        (*("callback_phone", 0, 0, "whole"), "recall_telephone callback_phone"),
        (*("callback_at", 0, 0, "whole"), "recall_date callback_at callback_time fecha_de_rellamada"),
        (
            *("address", 0, 0, "whole"),
            "address1 address_1 address_line_1 street domicilio logradouro calle rua dir"
            " direccion_domicilio direccion_domiciliaria direccion_completa endereco_completo",
        ),
        (
            *("city", 0, 0, "whole"),
            "city_town town localidad poblacion comuna ciudad_municipio nombre_ciudad"
            " nombre_de_la_ciudad nom_ciudad nome_da_cidade ciudad_departamento",
        ),
        (
            *("state", 0, 0, "whole"),
            "state_region state_province region_state uf depto dpto dep"
            " estado_provincia provincia_estado departamento_estado estado_uf",
        ),
        (*("country", 0, 0, "whole"), "country_region"),
    )
    for title in titles.split()
}
#: Words that neither tell the field nor name another person.
_SMALL: Final = _set(
    "de del da do das dos la el los las lo o y e and of the a al en em no nro num numero number n su sus tu tus mi your"
    " my cual es qual seu sua para con com cliente client customer contacto contact contato titular person persona"
    " pessoa user usuario lead prospecto alumno estudiante paciente aspirante billing facturacion cobranca value valor"
    " principal primary main personal nacional utc gmt ingresa ingrese escribe digite favor por informe field campo"
    " cf custom s c properties props attributes record fields campos"
    " afiliado afiliada asegurado asegurada segurado deudor devedor suscriptor assinante socio socia"
    " abonado interesado interesada participante inscrito inscrita postulante candidato candidata solicitante comprador"
    " aluno aluna student patient member subscriber applicant buyer required requerido requerida obligatorio"
    " obligatoria obrigatorio opcional optional mailing residencia actual atual donde onde vive vives reside resides"
    " mora in que which what is registrado registrada actualizado actualizada"
)
_DOCUMENTS: Final = _set(
    "cedula cedulas documento documentos identificacion identificacao identidad identification dni cpf cnpj rut curp"
    " pasaporte passaporte passport nit doc cuil cuit ciudadania nuip rg document identity rfc ruc dui cif nif nie ssn"
)
_DOCUMENT_DETAILS: Final = _set(
    "tipo type fecha lugar expedicion expedida emision vencimiento pais url link foto imagen file archivo adjunto"
    " digital firmado estado status data"
)
_EMAILS: Final = _set("email emails mail mails correo correos")
#: Words beside "phone" or "e-mail" that show that the column does not hold the number or address itself.
_DETAILS: Final = _set(
    "label etiqueta type tipo status estado situacao opt optin optout consent"
    " consentimiento autoriza autorizacion acepta fecha date hora time horario bounced bounce rebotado quarantined"
    " sent enviado enviados opened template plantilla campaign campana campanha subject asunto domain dominio owner"
    " propietario proprietario code codigo area indicativo ddd ddi prefijo prefixo prefix extension ext ramal anexo"
    " fax modelo model marca brand operador operadora carrier plan id calls llamadas intentos attempts veces ultimo"
    " ultima last imei factura contrato saldo"
)
#: Words for "checked": the column holds the number, or says whether it was; the values decide.
_CHECKED: Final = _set("verified verificado verificada valid valido valida confirmado confirmada")
_OWNERS: Final = _set("owner propietario proprietario dueno company empresa organization organizacion organizacao")
_SECOND: Final = _set(
    "home work business office casa trabajo oficina residencia residencial comercial fijo fixo alterno alterna"
    " alternativo alternate alternativa alt other otro otra outro secundario secondary second segundo adicional"
    " laboral empresarial shipping envio landline default"
)
#: "telefone_com_ddd" is one number, whole.
_WITH: Final = re.compile(r"_(?:com|con|with|incl\w*|mas|mais|sem|sin|without)_.+")
#: Additions to a title in brackets: "(DDD)", "(obligatorio)", "[required]".
_IN_BRACKETS: Final = re.compile(r"\s*[(\[][^()\[\]]*[)\]]")
#: "D.N.I.", "C. C." as "dni", "cc".
_INITIALS: Final = re.compile(r"(?<![a-z0-9])[a-z](?:_[a-z])+(?![a-z0-9])")
#: "TELCASA", "NOMCLIENTE".
_GLUED: Final = re.compile(
    r"\b(tel|telf|cel|fono|fone|num|nro|nom|nombre|ape|apellido|apellidos|doc|ced|cedula|documento|correo|email|mail|dir"
    r"|direccion|ciudad|edad|id)(casa|oficina|ofic|trabajo|res|residencia|residencial|fijo|fixo|cel|celular|movil|contacto"
    r"|contato|cliente|titular|lead|usuario|deudor|afiliado|paciente|estudiante|aluno|comercial|alterno)(?=_?\d*$)"
)
_NUMBERED: Final = re.compile(r"_?(\d{1,2})(?=_|$)")
_BEFORE_DIGITS: Final = re.compile(r"(?<=[a-z])(?=\d)")
#: Between titles that belong to several columns.
_SEPARATORS: Final = re.compile(r"[;,|\t^~]|  +")


@remembered(4096, longest=_LONGEST)
def meaning(title: str) -> Meaning | None:
    """The meaning of a column with this title; None if it depends on the file."""
    if not (title := nfkc(title).strip()):
        return None
    if title == "#":
        return Meaning("id")
    if names.speaks_of_another(title) and not _is_of_the_person(title):
        return None
    if found := _spelt(title):
        return found
    if (bare := _IN_BRACKETS.sub("", title)) != title and (found := _spelt(bare)):
        if found.field == "country" and kind_of_name(title):  # "País (código)"
            return None
        return replace(found, how="part" if found.how == "whole" else found.how)
    return _misspelt(title)


def _spelt(title: str) -> Meaning | None:
    written = (folded(title), snake(title), _GLUED.sub(r"\1_\2", folded(title)))
    found = (_known(name) or _in_part(name) for name in dict.fromkeys(written))
    return next((one for one in found if one), None)


def pieces(title: str) -> Iterator[str]:
    """The titles that another separator would make of this one."""
    return (piece for piece in _SEPARATORS.split(title) if piece.strip())


def _is_of_the_person(title: str) -> bool:
    return folded(title) in _WHOLE


def _known(name: str) -> Meaning | None:
    plain, number = _unnumbered(name)
    joined = _INITIALS.sub(lambda initials: initials[0].replace("_", ""), plain)
    for one in dict.fromkeys((name, plain, joined, _core(plain), _core(name), _core(joined))):
        if found := _WHOLE.get(one):
            return Meaning(found.field, (found.rank[0], number), found.part, found.how) if one != name else found
    ours = names.KNOWN.get(name) or names.KNOWN.get(plain) or names.KNOWN.get(_core(plain), "")
    if ours:
        return Meaning(ours, (_second(name) if ours == "phones" else 1, number))
    words = frozenset(plain.split("_"))
    if words & _CONTACT and words & _NUMBER and words <= _CONTACT | _NUMBER | _SMALL:
        return Meaning("phones", (0, number), how="values")
    return None


_CONTACT: Final = _set("contacto contactos contact contato contatos")
_NUMBER: Final = _set("no nro num n numero numeros number numbers")


def _in_part(name: str) -> Meaning | None:
    plain, number = _unnumbered(_WITH.sub("", name))
    words = frozenset(plain.split("_"))
    if not _OWNERS.isdisjoint(words):
        return None
    if (not _EMAILS.isdisjoint(words) or "e_mail" in plain) and _DETAILS.isdisjoint(words):
        return Meaning("email", (1 + _second(name), number), how="part")
    checked = words & _CHECKED
    unchecked = "_".join(word for word in plain.split("_") if word not in checked)
    if names.guess(unchecked, "3000000001") == "phones" and _DETAILS.isdisjoint(words):
        return Meaning("phones", (_second(name), number), how="values" if checked else "part")
    if not _DOCUMENTS.isdisjoint(words):
        if _DOCUMENT_DETAILS.isdisjoint(words):
            return Meaning("id_number", (1, number), how="part")
        return Meaning("id_type", (1, 0), how="part") if words & {"tipo", "type"} else None
    return None


def _misspelt(title: str) -> Meaning | None:
    """The meaning of a title with a letter wrong, missing, doubled or lost on the way; the values below decide."""
    words = folded(_LOST.sub("?", title).replace("?", "x")).split("_")
    for word in words:
        if len(word) >= _LONG_ENOUGH and (close := get_close_matches(word, _OFTEN_MISSPELT, 1, _ALIKE)):
            found = _spelt(" ".join(close[0] if one == word else one for one in words))
            return replace(found, how="values") if found and found.field in REACH else None
    return None


_LOST: Final = re.compile("\ufffd|\u00ef\u00bf\u00bd|(?<=\\w)\\?(?=\\w)")
_LONG_ENOUGH: Final = 6  #: letters; shorter words are too much alike
_ALIKE: Final = 0.79
_OFTEN_MISSPELT: Final = (
    *("telefono", "telefonos", "telefone", "telefones", "telephone"),
    *("celular", "celulares", "cellphone", "whatsapp", "correo"),
)


def _unnumbered(name: str) -> tuple[str, int]:
    """ "phone_2_value" as "phone_value" and 2."""
    spaced = _BEFORE_DIGITS.sub("_", name)
    found = _NUMBERED.search(spaced)
    if found is None:
        return name, 0
    return (spaced[: found.start()] + spaced[found.end() :]).strip("_"), int(found[1])


def _core(name: str) -> str:
    return "_".join(word for word in name.split("_") if word not in _SMALL)


def _second(name: str) -> int:
    """1 for a number or an address that is tried after the person's own."""
    return 0 if _SECOND.isdisjoint(name.split("_")) else 1


def weight(title: str) -> int:
    """How certain it is that this is a title: 4 as a whole, 2 in part, 1 if values decide; 0 if it is ambiguous."""
    found = meaning(title)
    if found is None:
        return 0
    inner = {one.field for piece in pieces(title) if (one := meaning(piece))}
    if len(inner) > 1:
        return 0
    return {"whole": 4, "part": 2, "values": 1}[found.how]


def reaches(title: str) -> bool:
    """Whether a column of this title holds ways to reach a person."""
    found = meaning(title)
    return found is not None and found.field in REACH


def not_to_call(title: str) -> bool:
    """Whether a column's numbers are wrong, blocked or of the past: a list of them is read, nobody dials them."""
    return bool(negative(title)) or not _OF_THE_PAST.isdisjoint(folded(title).split("_"))


_OF_THE_PAST: Final = _set("anterior anteriores antiguo antigo antiga viejo old previous former")
REACH: Final = frozenset({"phones", "email", "callback_phone"})


def borne_out(found: Meaning, title: str, values: Sequence[str]) -> Meaning | None:
    """The meaning of a title that the values below it confirm; None if they contradict it."""
    filled = [value for value in values if value]
    if found.field == "id_number" and filled and not any(map(_may_be_document, filled)):
        return None
    if found.how == "whole" or not filled:
        return found if found.how != "values" else None
    if found.field == "email":
        return found if any("@" in value for value in filled) else None
    numbers = sum(map(_is_number, filled))
    if found.field == "phones":
        if found.how == "part":
            return found if numbers else None
        if numbers * 2 > len(filled):
            return found
        return Meaning("first_name", (2, 0)) if folded(title) in _PERSONS and not numbers else None
    if found.field == "first_name":
        return found if not any(any(map(str.isdigit, value)) for value in filled) else None
    if found.field == "time":
        return found if sum(map(_is_time, filled)) * 2 > len(filled) else None
    return found


_PERSONS: Final = _set("contacto contact contato abonado destinatario")


def _may_be_document(value: str) -> bool:
    return any(map(str.isdigit, value)) and "://" not in value


def _is_number(value: str) -> bool:
    return "@" not in value and names.has_a_number(value)


def _is_time(value: str) -> bool:
    return sum(map(str.isdigit, value)) >= 5 and len(value) < 60
