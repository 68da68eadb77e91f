"""The words beside a number: whether they ask not to call it, and whether they name a document instead."""

from __future__ import annotations

import re
from typing import Final

from mappings.phones.countries import plain

#: Words for "do not", in es, pt and en; words between them and the verb; the verbs. All in the form of `plain`.
_NOT: Final = "no nunca jamas nao nem prohibido proibido evitar not never dont stop"
_BETWEEN: Final = (
    "la le lo les las los se me o a lhe mas mais volver voltar please por favor quiere quer desea deseja autoriza"
    " autorizo acepta aceita permite debe deben puede pueden pode devem que to want wants t"
)
_CALL: Final = (
    r"llam\w{1,6} contactar\w{0,3} contacten? contacted contact molest\w{1,4} marcar\w{0,3} marquen? telefonea\w{1,4}"
    r" telefonar discar disque lig\w{1,5} contatar contatem? perturb\w{1,3} incomod\w{1,3} cham\w{1,4} call calls"
    " calling dial dialing disturb"
)
#: Words after "no" for a person whose number it is not, or for a refused offer.
_NOT_THEIRS: Final = (
    "es soy sou pertenece pertence corresponde existe existen quiere quer desea deseja autoriza autorizo"
    " interesado interesada interessado interessada"
)
_CHANNELS: Final = "whatsapp whats wsp wpp wa fijo fixo movil celular"  #: kinds that a number may not have
#: Words that are clear by themselves.
_NEGATIVE: Final = (
    "equivocado equivocada equivocados errado errada errados erroneo erronea incorrecto incorrecta incorreto incorreta"
    " engano wrong incorrect inexistente invalido invalida invalid falso falsa fake dnc donotcall robinson optout"
    " unsubscribe unsubscribed blacklist bloqueado bloqueada blocked disconnected desconectado desactivado desativado"
    " fallecido fallecida falecido falecida difunto difunta deceased murio morreu"
)
_NEGATIVE_PHRASES: Final = (
    r"opt(?:ed)? out|black list|lista negra|lista robinson|fuera de servicio|fora de servico|out of service"
    r"|dad[oa] de baja|de baja|numero cambiado|mudou de numero|cambio de numero|no longer|ya no (?:es|usa)"
)


def _any(words: str) -> str:
    return "(?:" + "|".join(words.split()) + ")"


_ASKS_NOT_TO: Final = re.compile(
    rf"\b(?:(?:{_any(_NOT)}|don t|doesn t)(?: {_any(_BETWEEN)}){{0,4}} {_any(_CALL)}"
    rf"|n(?:o|ao) {_any(_NOT_THEIRS)}(?! {_any(_CHANNELS)})|nao e(?! mail)"
    rf"|{_any(_NEGATIVE)}|{_NEGATIVE_PHRASES})\b"
)
#: Words before digits that are not a phone.
_DOCUMENTS: Final = (
    "cc ce ti cedula ci dni rut run nit cpf cnpj ruc rfc curp cuit cuil nif nie ssn rg documento doc identificacion"
    " identidad identidade id pasaporte passport passaporte matricula expediente pedido orden order factura fatura"
    " invoice ticket radicado contrato contract cuenta conta account guia tracking imei placa poliza apolice"
    " codigo code cep zip postal monto valor total precio preco price usd cop mxn brl clp ars pen saldo deuda divida"
    " lote serie serial protocolo folio"
)
_DOCUMENT: Final = re.compile(
    rf"(?:^| )(?:{_any(_DOCUMENTS)}|c c|c i|d n i|n i t|r u t|cedula de \w+|documento de \w+)"
    r"(?: (?:no|nro|nr|num|numero|number|n|id|de \w{1,12}))?$"
)
_MOST: Final = 60  #: characters before digits that are searched for words

NEGATIVE: Final = "the words beside the number ask not to call it, or call it wrong"


def negative(words: str) -> str:
    """`NEGATIVE` if the words ask not to call, otherwise ""."""
    return NEGATIVE if _ASKS_NOT_TO.search(plain(words)) else ""


def names_document(before: str) -> bool:
    """Whether the words right before some digits name a document, an order or an amount."""
    return bool(before) and _DOCUMENT.search(plain(before[-_MOST:])) is not None
