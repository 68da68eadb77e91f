"""Words that may be shown of a foreign text: those in which APIs describe faults.

English, Spanish and Portuguese, in lower case and without accents. Words that are also usual names of persons or places
are not among them.
"""

from __future__ import annotations

from typing import Final

_ENGLISH: Final = """
a about above accept accepted accepts access according account accounts action active actually add added additional
address addresses admin after again agent agents agree all allow allowed allows along already also always am among
amount an and another answer answered answers any anything api app applied apply are area array as ask asked asks
assigned assignment at attempt attempts attribute attributes auth authenticated authentication authorization authorize
authorized auto available away back bad bare base batch be bearer because become been before begin behind being below
besides between beyond blank block blocked blocks body bool boolean both bounds boxes browser budget bulk busy but by
byte bytes call callback called calls campaign campaigns can cancelled cannot cap captcha case categories category
cause certain certificate change changed channel channels character characters check checked choose city clean clear
client close closed code codes column columns com come comment comments complete configuration conflict connect
connected connection consent contact contacted contacts contain contains content cookie correct cost could count
country create created credential credentials credit csv current customer customers customised cut daily data database
date dates day days deactivated dead deadline decimal default deleted denied description destination detail details
did different digit digits disabled disallowed dispatch dispatched do document documented does domain done down draft
due duplicate duplicated duplicates each either else email emails empty enabled encoding end ended endpoint ends
enough enter entity entry error errors every exact example exceed exceeded exceeds exception exclusive executed exist
existing exists expected expiration expire expired extension extra fail failed fails failure false fault faults
feature few field fields figures file fill filled fills filter find finish finished first fix flag following for
forbidden forgotten form format found free from full function gateway get give given global go goes gone good greater
group had half handled hang hangs has have header headers held hello help here hidden high hit hits hold holds host
hour hours how html http https human id identification identifier identifiers ids if ignored import in inactive
included incomplete incorrect info information input inserted instead int integer internal into invalid is iso issue
it item items its itself json just keep kept key keys kind know known language large larger last late later latest
lead leads least left length less level licence licences license licenses like limit limited limits line lines link
list listed lists load loaded lock locked login logs long longer look lookup loop lot lots machine made mail
maintenance make malformed many mark match matches max maximum maybe means media message messages method middle
milliseconds min minimum minute minutes missing moment month months more most moved much multiple must name named
names need needed needs negative network never new next no nobody non none nor not note notes nothing notification now
null number numbers numeric object objects of off ok old on once one ones only open operation option optional options
or order other others otherwise our out outcome outside over own owner page paged pages parameter parameters parse
part partial parts password path pattern payload payment pending per percentage period permission permissions
permitted person phone phones place plain plan please point policy positive possible post present previous priority
private privileges problem process processed processing product profile progress project properties property provided
proxy put query question questions queue quota quotas range rate reached read reason receive received recipient record
recorded records redirect reference refused regardless region register registered reject rejected related remaining
remove removed repeat repeated reply report reports request requested requests require required requires resend reset
resource response rest result results resume retry return returned revoked right rights role route row rows rule rules
same saved schedule scheduled scheme scope score second seconds secret see seem select selected send sender sends sent
server service session set sets several short should show sign signature signed simultaneous since single size skill
slash slot slow small sms so some something soon source space spaces specified stage start started state states status
stay step still stop stopped store string strings subject submitted success successful successfully such supported
survey surveyed surveys suspended system table tag tags take taken takes task team telephone telephones template
temporarily term test text than that the their them then there these they this those thousand three through ticket
tickets time timeout times timestamp title to today together token tokens too total totals transfer true try two type
types unable unauthenticated unauthorised unauthorized unavailable unexpected unique unit unknown unless unprocessable
unrecognised unrecognized unsupported until up update updated upload uploaded uploads upstream uri url usable usage
use used user username users uses usual utc valid validate validation value values vendor verification verified verify
version via visible wait want was way we web webhook weekly were what when whenever where whether which while who why
widget will window wire with within without word work worker workload worse would write wrong year years yes yet you
your zero zone
"""
_SPANISH: Final = """
abierto acceso actualizado agente al alcanzado algo antes aqui archivo asesor asignado asunto atencion ausente
autorizacion autorizado ayuda base bloqueada bloqueado buscar cada cambio campana campanas campo campos canal cantidad
caracteres categoria celda celular cerrado cerrar ciudad clave cliente clientes codigo columna comentario como
completa con conexion consulta contactado contacto contactos contiene contrasena correcto correo creada creado
credenciales cual cuando cuenta cuentas cuerpo dato datos de debe deben del demasiadas demasiados denegado desconocido
descripcion despues detalle dia dias digitos direccion disponible documento donde duplicado el ella en encontrado
encontro encuesta encuestado encuestas entrada enviada enviado enviar error errores es esa ese espere esta estado este
excede excedido existe existente expirado falla fallo falta fecha fila filas filtro fin formato fue fuera general
gestion guardado ha habilitado hay hora horas identificacion identificador ignorado incorrecta incorrecto informacion
ingrese inicio insertado intente intento interno invalida invalidas invalido invalidos justificacion la las lead leads
licencia licencias limite linea lista llamada llamadas lo local los luego marcador marcar mas maximo mayor medio menor
mensaje mensajes mes metodo minimo minuto minutos movil muchas muy nada necesario ningun ninguna ningunos no nombre
nota notas nuevamente nuevo nulo numero numeros nunca o obligatorio obligatorios ocurrio operacion otra otro pagina
pais para parametro parametros pendiente permiso permisos permitida permitido pero persona por porque posible pregunta
prioridad proceso progreso prueba puede pueden puntaje que queda quedan recibido registrada registrado registro
registros requerido requeridos respuesta resultado revise rol se segundo segundos ser servicio servidor si siguiente
sin sistema sobre solicitud solo son su supera superado sus tabla telefono telefonos tiempo tiene tipo todas todo
todos token ultimo un una unico uno usado usar usuario vacia vacio valida valido valor valores vencida vencido
verifique ya
"""
_PORTUGUESE: Final = """
aberto acesso acima agente ainda algum alterado ao aos apos arquivo assunto atendimento atingido ausente autorizacao
autorizado bloqueado cadastrado cadastro caixa campanha campanhas cartao chamada chamadas chave cidade codigo coluna
com concluido conexao conta contato contatos conteudo corpo criado da dados das data deve devem dia dias disponivel do
dos duplicado e ela ele em encontrada encontrado endereco enviada enviado enviar envio erro erros esta estado excedido
existente expirado falha falhou faltando fechado fila foi fora formato ha hoje horario identificacao identificador
informado inscricao inserido interno invalida invalidas invalido invalidos ja justificativa ligacao limite linha lista
maior mais maximo menor mensagem mes minimo na nao nas nenhum nenhuma no nome nos nota notas novamente novo nulo
numero numeros obrigatoria obrigatorio ocorreu ou outra outro pagina para parametro parametros pedido pelo pendente
pergunta permissao permitido pesquisa pesquisado pode podem por possui prazo preco preencha preenchido prioridade qual
quando que registros requisicao resposta resultado seguinte sem senha ser servico servidor somente sua telefone
telefones tem tempo tente tipo todos um uma unico unidade usuario valor valores vazia vazio vencido voce
"""
_TECHNICAL: Final = """
abort ack alpha amqp boolean cmid cors crm csat customerid dnc dns ean eof errno expires fcm fetch gdpr get gmt href
instagram ip json jwt lgpd mime nan nps null oauth opt patch postgres pst rabbitmq recall sdk sha smtp soap sql sqlite
ssl tcp tel telegram ticketstate tls twitter utf uuid whatsapp xml
"""

#: The words of foreign texts that `connector.core.masking` shows.
WORDS: Final = frozenset(f"{_ENGLISH} {_SPANISH} {_PORTUGUESE} {_TECHNICAL}".split())
